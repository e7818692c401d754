"""Run the simple studies: Figures 1 and 7, Hammoud et al. (2023), Wen, Ma and Li (2023).

Needs: nothing; for Hammoud et al. data/{abalone,fashion-mnist,cora}.json.
Makes: simple/<study>/*.csv, measurements; simple/<study>/summary.csv, published numbers beside
ours; the figures of each study.
"""


rule linear_curves:
    output:
        "<results>/simple/linear/curves.csv",
    log:
        "<logs>/simple/linear.log",
    benchmark:
        "<benchmarks>/simple/linear.tsv"
    threads: 1
    resources:
        mem_mb=doubled(1500),
        runtime=doubled(20),
        gpu=0,
    params:
        seed=settings.simple.linear.seed,
        code=source_digest("scripts/linear.py"),
    script:
        "../scripts/linear.py"


rule diagonal_networks:
    output:
        "<results>/simple/diagonal/networks-{seed}.csv",
    log:
        "<logs>/simple/diagonal-{seed}.log",
    benchmark:
        "<benchmarks>/simple/diagonal-{seed}.tsv"
    wildcard_constraints:
        seed=r"\d+",
    threads: 1
    resources:
        mem_mb=doubled(1500),
        runtime=doubled(60),
        gpu=0,
    params:
        networks=settings.simple.diagonal.networks,
        steps=settings.simple.diagonal.steps,
        revision=DIAGONAL_REVISION,
    script:
        "../scripts/diagonal.py"


rule small_networks_pool:
    input:
        lambda wildcards: f"<results>/data/{DATA_OF[wildcards.network]}.json",
    output:
        "<results>/simple/small_networks/{network}/{procedure}-{base}-{first}.csv",
    log:
        "<logs>/simple/{network}/{procedure}-{base}-{first}.log",
    benchmark:
        "<benchmarks>/simple/{network}/{procedure}-{base}-{first}.tsv"
    wildcard_constraints:
        network=one_of(DATA_OF),
        base=r"\d+",
        first=r"\d+",
    threads: 1
    resources:
        mem_mb=doubled(3000),
        runtime=doubled(120),
        gpu=0,
    params:
        procedure=lambda wildcards: settings.simple.small_networks.switches(
            wildcards.network, wildcards.procedure
        ),
        models=lambda wildcards: SMALL_JOBS[
            wildcards.network, wildcards.procedure, wildcards.base, wildcards.first
        ],
        examples=lambda wildcards: settings.simple.small_networks.networks[
            wildcards.network
        ].examples,
        revision=SMALL_NETWORKS_REVISION,
        state=f"{settings.home}/simple/small_networks/state",
    script:
        "../scripts/small_networks.py"


rule two_layer_solutions:
    output:
        solutions="<results>/simple/two_layer_relu/{architecture}-{seed}-solutions.csv",
        curves="<results>/simple/two_layer_relu/{architecture}-{seed}-curves.csv",
        weights="<results>/simple/two_layer_relu/{architecture}-{seed}.safetensors",
    log:
        "<logs>/simple/{architecture}-{seed}.log",
    benchmark:
        "<benchmarks>/simple/{architecture}-{seed}.tsv"
    wildcard_constraints:
        architecture=one_of(sorted({architecture for architecture, _ in TWO_LAYER_JOBS})),
        seed=r"\d+",
    threads: 1
    resources:
        mem_mb=doubled(1500),
        runtime=doubled(2880),
        gpu=0,
    params:
        runs=lambda wildcards: [
            run.model_dump(mode="json")
            for run in settings.simple.two_layer_relu.catalogue.runs
            if run.architecture == wildcards.architecture
        ],
        seeds=lambda wildcards: TWO_LAYER_JOBS[wildcards.architecture, int(wildcards.seed)],
        schedule=settings.simple.two_layer_relu.schedule,
        state=f"{settings.home}/simple/two_layer_relu/state",
        revision=TWO_LAYER_REVISION,
    script:
        "../scripts/two_layer_relu.py"


for study in STUDIES:

    rule:
        name:
            f"study+{study}"
        input:
            **settings.simple.files(study, settings.home),
        output:
            summary=report(
                f"<results>/simple/{study}/summary.csv",
                caption="../report/study.rst",
                category="Simple studies",
                labels={
                    "figure": study,
                    "shows": f"{STUDIES[study].title}: findings beside the published ones",
                    "format": "CSV",
                },
            ),
            pdf=expand("<results>/figures/{figure}.pdf", figure=STUDIES[study].figures),
            png=[
                drawing(name, figure.title, "PNG", "study")
                for name, figure in STUDIES[study].figures.items()
            ],
        log:
            f"<logs>/simple/{study}-summary.log",
        benchmark:
            f"<benchmarks>/simple/{study}-summary.tsv"
        threads: 1
        resources:
            mem_mb=doubled(1000),
            runtime=doubled(10),
            gpu=0,
        params:
            study=study,
            titles={name: figure.title for name, figure in STUDIES[study].figures.items()},
            note=settings.study_note(study),
            code=source_digest("scripts/study.py"),
        script:
            "../scripts/study.py"
