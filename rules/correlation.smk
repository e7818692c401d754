"""Collect the models of a pool, compute rank correlations, and write the tables.

Needs: models.csv, and for each model errors/, sharpness/, per_batch/, checkpoints/ and training/.
Makes: pool.csv, one row per model, per_batch.csv, and settings.json with their settings;
correlations.csv; subgroups.csv, those of the figures about subgroups;
families.csv, the headline coefficients judged by permutations; measures.csv, all other measures,
exploratory; convergence.csv, τ by fewer steps, draws and batches; protocols.csv, τ by two
protocols; grid.csv, where one hyper-parameter alone differs; tables/table<number>.{csv,md,tex}.
"""


rule pool:
    input:
        models="<results>/{pool}/models.csv",
        errors=of_each_model("<results>/{pool}/errors/{model}.csv"),
        sharpness=of_each_model("<results>/{pool}/sharpness/{model}.csv"),
        per_batch=of_each_model("<results>/{pool}/per_batch/{model}.csv"),
        weights=of_each_model("<results>/{pool}/checkpoints/{model}.safetensors"),
        training=trainings_of,
        radii=found_radii,
        changed=changed,
    output:
        pool="<results>/{pool}/pool.csv",
        per_batch="<results>/{pool}/per_batch.csv",
    log:
        "<logs>/{pool}/pool.log",
    benchmark:
        "<benchmarks>/{pool}/pool.tsv"
    threads: 1
    resources:
        mem_mb=doubled(1000),
        runtime=doubled(30),
        gpu=0,
    params:
        wanted=lambda wildcards: WANTED[wildcards.pool],
        records=of_each_part,
        code=source_digest("scripts/pool.py"),
    script:
        "../scripts/pool.py"


rule correlations:
    input:
        pool="<results>/{pool}/pool.csv",
        per_batch="<results>/{pool}/per_batch.csv",
    output:
        all="<results>/{pool}/correlations.csv",
        shown="<results>/{pool}/subgroups.csv",
        families="<results>/{pool}/families.csv",
        measures="<results>/{pool}/measures.csv",
        convergence="<results>/{pool}/convergence.csv",
        protocols="<results>/{pool}/protocols.csv",
        grid="<results>/{pool}/grid.csv",
    log:
        "<logs>/{pool}/correlations.log",
    benchmark:
        "<benchmarks>/{pool}/correlations.tsv"
    threads: 1
    resources:
        mem_mb=doubled(2000),
        runtime=doubled(30),
        gpu=0,
    params:
        resamples=settings.resamples,
        subgroups=lambda wildcards: pool_of(wildcards).subgroups,
        usual=lambda wildcards: pool_of(wildcards).sharpness.usual(settings.protocols[0]),
        shown=lambda wildcards: [
            (name, *pair)
            for name in FIGURES
            for pair in panels_within(CATALOGUE[name], wildcards.pool)
        ],
        records=lambda wildcards: settings.records(pool_of(wildcards).known_data),
        code=source_digest("scripts/correlations.py"),
    script:
        "../scripts/correlations.py"


rule table:
    input:
        correlations=lambda wildcards: expand(
            "<results>/{pool}/correlations.csv", pool=TABLES[int(wildcards.table)]
        ),
        published="resources/paper_taus.csv",
    output:
        report(
            "<results>/tables/table{table}.csv",
            caption="../report/table.rst",
            category="Tables",
            labels={"table": "{table}", "format": "CSV"},
        ),
        report(
            "<results>/tables/table{table}.md",
            caption="../report/table.rst",
            category="Tables",
            labels={"table": "{table}", "format": "Markdown"},
        ),
        "<results>/tables/table{table}.tex",
    log:
        "<logs>/tables/table{table}.log",
    benchmark:
        "<benchmarks>/tables/table{table}.tsv"
    threads: 1
    resources:
        mem_mb=doubled(1000),
        runtime=doubled(10),
        gpu=0,
    params:
        pools=lambda wildcards: TABLES[int(wildcards.table)],
        note=settings.note,
        code=source_digest("scripts/table.py"),
    script:
        "../scripts/table.py"


rule tables:
    input:
        expand("<results>/tables/table{table}.csv", table=TABLES),
