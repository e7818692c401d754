"""Load the models of the user's own pools, find their radii, and evaluate them.

Needs: the table of the models and their checkpoints; data/<name>.json of known data sets; folders,
tables and functions of the user's own data.
Makes: checkpoints/<model>.safetensors; models.csv, hyper-parameters and the origin of the weights;
radii.json, the radii that are `auto`; evaluated/<first>.json, one evaluation job; for each model
errors/<model>.csv, sharpness/<model>.csv and per_batch/<model>.csv.
"""

# The models of a job share a process, which imports their libraries once.
for pool in OWN:
    for first, stems in settings.pools[pool].jobs.items():

        rule:
            name:
                f"bring+{pool}+{first}"
            input:
                record=own_record(pool),
                sample=own_sample(pool),
                given=own_checkpoints(pool, stems),
            output:
                expand(f"<results>/{pool}/checkpoints/{{model}}.safetensors", model=stems),
            log:
                f"<logs>/{pool}/bring/{first}.log",
            benchmark:
                f"<benchmarks>/{pool}/bring/{first}.tsv"
            threads: 1
            resources:
                mem_mb=doubled(8000),
                runtime=doubled(240),
                gpu=0,
            params:
                models=own_models(pool, stems),
                table=settings.pools[pool].list_file,
                data=settings.pools[pool].data["train"],
                order=OWN_ORDER[pool],
                inputs=settings.pools[pool].preprocessing,
            script:
                "../scripts/bring.py"


rule own_models:
    input:
        table=lambda wildcards: pool_of(wildcards).list_file,
        weights=of_each_model("<results>/{pool}/checkpoints/{model}.safetensors"),
    output:
        "<results>/{pool}/models.csv",
    log:
        "<logs>/{pool}/own_models.log",
    benchmark:
        "<benchmarks>/{pool}/own_models.tsv"
    wildcard_constraints:
        pool=one_of(OWN),
    threads: 1
    resources:
        mem_mb=doubled(500),
        runtime=doubled(10),
        gpu=0,
    params:
        parameters=lambda wildcards: {
            name: dict(own.parameters) for name, own in pool_of(wildcards).members.items()
        },
        code=source_digest("scripts/own_models.py"),
    script:
        "../scripts/own_models.py"


rule radii_own:
    input:
        records=lambda wildcards: own_record(wildcards.pool),
        sample=lambda wildcards: own_sample(wildcards.pool),
        given=own_files,
        weights=lambda wildcards: expand(
            f"<results>/{wildcards.pool}/checkpoints/{{model}}.safetensors",
            model=[*pool_of(wildcards).stems][:RADII_MODELS],
        ),
    output:
        "<results>/{pool}/radii.json",
    log:
        "<logs>/{pool}/radii.log",
    benchmark:
        "<benchmarks>/{pool}/radii.tsv"
    wildcard_constraints:
        pool=one_of(OWN),
    threads: settings.num_workers
    resources:
        mem_mb=doubled(12000),
        runtime=doubled(480),
        gpu=settings.gpus,
    params:
        models=lambda wildcards: [*pool_of(wildcards).stems][:RADII_MODELS],
        parts=lambda wildcards: {"train": pool_of(wildcards).data["train"]},
        titles=lambda wildcards: {"train": pool_of(wildcards).data["train"]},
        known=lambda wildcards: [part for part in PARTS[wildcards.pool] if part == "train"],
        labels=lambda wildcards: pool_of(wildcards).labels,
        order=lambda wildcards: OWN_ORDER[wildcards.pool],
        plan=plan_for_radii,
        micro_batch=lambda wildcards: pool_of(wildcards).micro_batch,
        revision=REVISION,
        search=RADII_REVISION,
        device=settings.device,
    script:
        "../scripts/radii_own.py"


rule evaluate_own:
    input:
        records=lambda wildcards: [*of_each_part(wildcards).values()],
        sample=lambda wildcards: own_sample(wildcards.pool),
        given=own_files,
        radii=found_radii,
        initial=initial_checkpoint,
        models=ancient("<results>/{pool}/models.csv"),  # which refuses a model that is there twice
        weights=of_each_model("<results>/{pool}/checkpoints/{model}.safetensors"),
    output:
        "<results>/{pool}/evaluated/{first}.json",
    log:
        "<logs>/{pool}/evaluate/{first}.log",
    benchmark:
        "<benchmarks>/{pool}/evaluate/{first}.tsv"
    wildcard_constraints:
        pool=one_of(OWN),
    threads: settings.num_workers
    resources:
        mem_mb=doubled(12000),
        runtime=doubled(480),
        gpu=settings.gpus,
    params:
        models=models_of,
        parts=lambda wildcards: pool_of(wildcards).opened,
        titles=lambda wildcards: pool_of(wildcards).sources,
        known=lambda wildcards: [*PARTS[wildcards.pool]],
        errors=own_errors,
        labels=lambda wildcards: pool_of(wildcards).labels,
        order=lambda wildcards: OWN_ORDER[wildcards.pool],
        plan=plan_of,
        micro_batch=lambda wildcards: pool_of(wildcards).micro_batch,
        revision=REVISION,
        device=settings.device,
    script:
        "../scripts/evaluate_own.py"


rule rows_own:
    input:
        of_job("<results>/{pool}/evaluated/{first}.json"),
        radii=found_radii,
        weights="<results>/{pool}/checkpoints/{model}.safetensors",  # after a failed evaluation
    output:
        errors="<results>/{pool}/errors/{model}.csv",
        sharpness="<results>/{pool}/sharpness/{model}.csv",
        per_batch="<results>/{pool}/per_batch/{model}.csv",
    log:
        "<logs>/{pool}/rows/{model}.log",
    benchmark:
        "<benchmarks>/{pool}/rows/{model}.tsv"
    wildcard_constraints:
        pool=one_of(OWN),
    threads: 1
    resources:
        mem_mb=doubled(500),
        runtime=doubled(2),
        gpu=0,
    params:
        plan=plan_of,
        code=source_digest("scripts/rows.py"),
    script:
        "../scripts/rows.py"
