"""Errors and sharpness of every model, from its checkpoint.

Needs: checkpoints/<model>.safetensors, training/<model>.json, data/<name>.json.
Makes: evaluated/<first>.json, one evaluation job; for each model errors/<model>.csv and
sharpness/<model>.csv.
"""


rule evaluate:
    input:
        unpack(of_each_part),
        weights=of_each_model("<results>/{pool}/checkpoints/{model}.safetensors"),
        records=of_each_model("<results>/{pool}/training/{model}.json"),
    output:
        "<results>/{pool}/evaluated/{first}.json",
    log:
        "<logs>/{pool}/evaluate/{first}.log",
    benchmark:
        "<benchmarks>/{pool}/evaluate/{first}.tsv"
    threads: 1
    resources:
        mem_mb=8000,
        runtime=480,
        gpu=settings.gpus,
    params:
        models=models_of,
        parts=lambda wildcards: pool_of(wildcards).data.parts,
        plan=plan_of,
        revision=REVISION,
        device=settings.device,
    script:
        "../scripts/evaluate.py"


rule rows:
    input:
        of_job("<results>/{pool}/evaluated/{first}.json"),
    output:
        errors="<results>/{pool}/errors/{model}.csv",
        sharpness="<results>/{pool}/sharpness/{model}.csv",
    log:
        "<logs>/{pool}/rows/{model}.log",
    benchmark:
        "<benchmarks>/{pool}/rows/{model}.tsv"
    threads: 1
    resources:
        mem_mb=500,
        runtime=10,
        gpu=0,
    params:
        plan=plan_of,
        code=code_of("rows", "rows", "plan", "files"),
    script:
        "../scripts/rows.py"
