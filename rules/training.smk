"""Draw and train the models of sweeps (Sec. 5.1, App. H).

Needs: data/<training set>.json.
Makes: models.csv, the drawn hyper-parameters; trained/<first>.json, one training job; for each
model checkpoints/<model>.safetensors, training/<model>.json (record) and .csv (curve).
"""


rule draw:
    output:
        "<results>/{pool}/models.csv",
    log:
        "<logs>/{pool}/draw.log",
    benchmark:
        "<benchmarks>/{pool}/draw.tsv"
    wildcard_constraints:
        pool=one_of(SWEEPS),
    threads: 1
    resources:
        mem_mb=doubled(500),
        runtime=doubled(5),
        gpu=0,
    params:
        models=lambda wildcards: pool_of(wildcards).models,
        seed=lambda wildcards: pool_of(wildcards).sweep.seed,
        space=lambda wildcards: pool_of(wildcards).sweep.space,
        revision=TRAINING_REVISION,
    script:
        "../scripts/draw.py"


rule train:
    input:
        models="<results>/{pool}/models.csv",
        data=lambda wildcards: f"<results>/data/{pool_of(wildcards).data['train']}.json",
    output:
        "<results>/{pool}/trained/{first}.json",
    log:
        "<logs>/{pool}/train/{first}.log",
    benchmark:
        "<benchmarks>/{pool}/train/{first}.tsv"
    wildcard_constraints:
        pool=one_of(SWEEPS),
    threads: 1
    resources:
        mem_mb=doubled(6000),
        runtime=doubled(480),
        gpu=settings.gpus,
    params:
        models=models_of,
        data=lambda wildcards: pool_of(wildcards).data["train"],
        seed=lambda wildcards: pool_of(wildcards).sweep.seed,
        architecture=lambda wildcards: pool_of(wildcards).architecture.model_dump(),
        settings=lambda wildcards: pool_of(wildcards).training.model_dump(),
        revision=TRAINING_REVISION,
        device=settings.device,
    script:
        "../scripts/train.py"


rule checkpoint:
    input:
        of_job("<results>/{pool}/trained/{first}.json"),
    output:
        weights="<results>/{pool}/checkpoints/{model}.safetensors",
        training="<results>/{pool}/training/{model}.json",
        curve="<results>/{pool}/training/{model}.csv",
    log:
        "<logs>/{pool}/checkpoint/{model}.log",
    benchmark:
        "<benchmarks>/{pool}/checkpoint/{model}.tsv"
    wildcard_constraints:
        pool=one_of(SWEEPS),
    threads: 1
    resources:
        mem_mb=doubled(500),
        runtime=doubled(2),
        gpu=0,
    params:
        revision=CHECKPOINT_REVISION,
    script:
        "../scripts/checkpoint.py"
