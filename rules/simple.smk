"""The simple models: Figures 1 and 7, Hammoud et al. (2023), Wen, Ma and Li (2023).

Needs: nothing; for Hammoud et al. data/{abalone,fashion-mnist,cora}.json.
Makes: simple/<study>/*.csv, what was measured; simple/<study>/summary.csv, published numbers beside
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
        code=code_of("linear", "simple/linear/curves", "simple/linear/models", *MEASURES),
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
        code=code_of(
            "diagonal",
            "simple/diagonal/task",
            "simple/diagonal/descent",
            "simple/diagonal/training",
            "simple/diagonal/quantities",
            "simple/diagonal/pool",
            "simple/diagonal/rows",
            "batches",
            "hessian",
            "objective",
        ),
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
        procedure=procedure_of_job,
        models=small_models,
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


rule study_summary:
    input:
        unpack(study_files),
    output:
        "<results>/simple/{study}/summary.csv",
    log:
        "<logs>/simple/{study}-summary.log",
    benchmark:
        "<benchmarks>/simple/{study}-summary.tsv"
    wildcard_constraints:
        study=one_of(STUDIES),
    threads: 1
    resources:
        mem_mb=doubled(1000),
        runtime=doubled(10),
        gpu=0,
    params:
        files=study_files,
        code=lambda wildcards: code_of("study_summary", f"simple/{wildcards.study}", *SHOWING),
    script:
        "../scripts/study_summary.py"


rule study_figure:
    input:
        unpack(files_of_study_figure),
    output:
        multiext("<results>/figures/{figure}", ".pdf", ".png"),
    log:
        "<logs>/figures/{figure}.log",
    benchmark:
        "<benchmarks>/figures/{figure}.tsv"
    wildcard_constraints:
        figure=one_of(STUDY_FIGURES),
    threads: 1
    resources:
        mem_mb=doubled(1000),
        runtime=doubled(10),
        gpu=0,
    params:
        study=lambda wildcards: STUDY_FIGURES[wildcards.figure],
        files=files_of_study_figure,
        title=title_of_study_figure,
        note=lambda wildcards: study_note(STUDY_FIGURES[wildcards.figure]),
        code=lambda wildcards: code_of(
            "study_figure", f"simple/{STUDY_FIGURES[wildcards.figure]}", *SHOWING
        ),
    script:
        "../scripts/study_figure.py"
