"""Measure errors and sharpness of every model from its checkpoint.

Needs: checkpoints/<model>.safetensors, data/<name>.json; training/<model>.json of a sweep; the
checkpoint of the model from which all were trained, the sample of a large training set, the
vocabulary of a text set, published errors where they are used.
Makes: radii.json, the radii of measures that are `auto`; evaluated/<first>.json, one evaluation job;
for each model errors/<model>.csv, sharpness/<model>.csv and per_batch/<model>.csv.
"""


rule radii:
    input:
        unpack(beside_the_radii),
        weights=lambda wildcards: expand(
            f"<results>/{wildcards.pool}/checkpoints/{{model}}.safetensors",
            model=models_for_radii(wildcards),
        ),
    output:
        "<results>/{pool}/radii.json",
    log:
        "<logs>/{pool}/radii.log",
    benchmark:
        "<benchmarks>/{pool}/radii.tsv"
    wildcard_constraints:
        pool=one_of([*SWEEPS, *PUBLISHED]),
    threads: settings.num_workers
    resources:
        mem_mb=doubled(12000),
        runtime=doubled(480),
        gpu=settings.gpus,
    params:
        models=models_for_radii,
        inputs=lambda wildcards: pool_of(wildcards).preprocessing,
        classes=lambda wildcards: getattr(pool_of(wildcards), "network", {}).get("classes"),
        micro_batch=lambda wildcards: pool_of(wildcards).micro_batch,
        plan=plan_for_radii,
        revision=REVISION,
        search=RADII_REVISION,
        device=settings.device,
    script:
        "../scripts/radii.py"


rule evaluate:
    input:
        unpack(of_each_part),
        unpack(beside_the_parts),
        radii=found_radii,
        weights=of_each_model("<results>/{pool}/checkpoints/{model}.safetensors"),
    output:
        "<results>/{pool}/evaluated/{first}.json",
    log:
        "<logs>/{pool}/evaluate/{first}.log",
    benchmark:
        "<benchmarks>/{pool}/evaluate/{first}.tsv"
    wildcard_constraints:
        pool=one_of([*SWEEPS, *PUBLISHED]),
    threads: settings.num_workers
    resources:
        mem_mb=doubled(12000),
        runtime=doubled(480),
        gpu=settings.gpus,
    params:
        models=models_of,
        parts=lambda wildcards: pool_of(wildcards).data,
        inputs=lambda wildcards: pool_of(wildcards).preprocessing,
        preparation=lambda wildcards: getattr(pool_of(wildcards), "preparation", ""),
        classes=lambda wildcards: getattr(pool_of(wildcards), "network", {}).get("classes"),
        micro_batch=lambda wildcards: pool_of(wildcards).micro_batch,
        plan=plan_of,
        revision=REVISION,
        device=settings.device,
    script:
        "../scripts/evaluate.py"


rule rows:
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
        pool=one_of([*SWEEPS, *PUBLISHED]),
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
