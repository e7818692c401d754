"""Choose, download, verify and convert published models (Sec. 4), or train stand-ins for them.

Needs: resources/pools/*.csv; the network, a mirror, or nothing (stand-ins, at scale mini).
Makes: models.csv, the chosen models; checkpoints/<model>.safetensors; published.csv, published
beside evaluated errors; published_facts.csv, what the paper says of them; standin/, stand-ins in
the publishers' formats.
"""


rule choose:
    input:
        lambda wildcards: pool_of(wildcards).checkpoints.models,
    output:
        "<results>/{pool}/models.csv",
    log:
        "<logs>/{pool}/choose.log",
    benchmark:
        "<benchmarks>/{pool}/choose.tsv"
    wildcard_constraints:
        pool=one_of(PUBLISHED),
    threads: 1
    resources:
        mem_mb=doubled(500),
        runtime=doubled(5),
        gpu=0,
    params:
        take=lambda wildcards: pool_of(wildcards).checkpoints.take,
        seed=lambda wildcards: pool_of(wildcards).checkpoints.seed,
        code=source_digest("scripts/choose.py"),
    script:
        "../scripts/choose.py"


rule download:
    input:
        lambda wildcards: member_of(wildcards).file or [],
    output:
        "<results>/{pool}/checkpoints/{model}.safetensors",
    log:
        "<logs>/{pool}/download/{model}.log",
    benchmark:
        "<benchmarks>/{pool}/download/{model}.tsv"
    wildcard_constraints:
        pool=one_of([] if settings.standins else PUBLISHED),
    threads: 1
    resources:
        mem_mb=doubled(4000),
        runtime=doubled(240),
        gpu=0,
    params:
        members=lambda wildcards: [asdict(member_of(wildcards))],
        format=lambda wildcards: pool_of(wildcards).checkpoints.format,
        network=lambda wildcards: pool_of(wildcards).network,
        keep=lambda wildcards: pool_of(wildcards).checkpoints.keep,
        standin="",
        revision=FORMATS_REVISION,
    message:
        "{wildcards.pool}: {wildcards.model} from {params.members[0][url]}"
    script:
        "../scripts/download.py"


# The stand-ins of a pool share a process: starting it takes longer than all conversions.
for pool in PUBLISHED if settings.standins else []:

    rule:
        name:
            f"download+{pool}"
        input:
            f"<results>/standin/{pool}.csv",
        output:
            expand(
                f"<results>/{pool}/checkpoints/{{model}}.safetensors",
                model=settings.pools[pool].converted,
            ),
        log:
            f"<logs>/{pool}/download.log",
        benchmark:
            f"<benchmarks>/{pool}/download.tsv"
        threads: 1
        resources:
            mem_mb=doubled(4000),
            runtime=doubled(60),
            gpu=0,
        params:
            members=[asdict(member) for member in settings.pools[pool].converted.values()],
            format=settings.pools[pool].checkpoints.format,
            network=settings.pools[pool].network,
            keep=False,
            standin=pool,
            revision=FORMATS_REVISION,
        script:
            "../scripts/download.py"


rule published:
    input:
        pool="<results>/{pool}/pool.csv",
        published=published_errors,
        index=standin_index,
        facts="resources/published_facts.csv",
    output:
        compared="<results>/{pool}/published.csv",
        facts="<results>/{pool}/published_facts.csv",
    log:
        "<logs>/{pool}/published.log",
    benchmark:
        "<benchmarks>/{pool}/published.tsv"
    wildcard_constraints:
        pool=one_of(PUBLISHED),
    threads: 1
    resources:
        mem_mb=doubled(1000),
        runtime=doubled(10),
        gpu=0,
    params:
        preparation=lambda wildcards: pool_of(wildcards).preparation,
        errors=lambda wildcards: pool_of(wildcards).errors,
        standins=settings.standins,
        stems=index_stems,
        places=index_places,
        reachable=lambda wildcards: index_reachable(**index_places(wildcards)),
        code=source_digest("scripts/published.py"),
    script:
        "../scripts/published.py"


rule standin_data:
    output:
        "<results>/standin/data.json",
    log:
        "<logs>/standin/data.log",
    benchmark:
        "<benchmarks>/standin/data.tsv"
    threads: 1
    resources:
        mem_mb=doubled(2000),
        runtime=doubled(30),
        gpu=0,
    params:
        revision=STANDIN_DATA_REVISION,
    script:
        "../scripts/standin_data.py"


rule standin:
    input:
        "<results>/standin/data.json",
    output:
        "<results>/standin/{pool}.csv",
    log:
        "<logs>/standin/{pool}.log",
    benchmark:
        "<benchmarks>/standin/{pool}.tsv"
    wildcard_constraints:
        pool=one_of(PUBLISHED),
    threads: 1
    resources:
        mem_mb=doubled(4000),
        runtime=doubled(60),
        gpu=0,
    params:
        members=lambda wildcards: [asdict(m) for m in pool_of(wildcards).converted.values()],
        format=lambda wildcards: pool_of(wildcards).checkpoints.format,
        network=lambda wildcards: pool_of(wildcards).network,
        preparation=lambda wildcards: pool_of(wildcards).preparation,
        revision=STANDINS_REVISION,
    script:
        "../scripts/standin.py"


rule standin_index:
    input:
        "<results>/standin/{pool}.csv",
    output:
        f"<results>/standin/{{pool}}/mirror/{place(download_named(AUGREG_INDEX).url)}",
    log:
        "<logs>/standin/{pool}-index.log",
    benchmark:
        "<benchmarks>/standin/{pool}-index.tsv"
    wildcard_constraints:
        pool=one_of(PUBLISHED),
    threads: 1
    resources:
        mem_mb=doubled(500),
        runtime=doubled(5),
        gpu=0,
    params:
        members=lambda wildcards: [asdict(m) for m in pool_of(wildcards).members.values()],
        code=source_digest("scripts/standin_index.py"),
    script:
        "../scripts/standin_index.py"
