"""Locate or download data sets, and sample large training sets.

Needs: the network, a mirror, a folder that the user names, or nothing (digits).
Makes: data/<name>.json, the record: "present" with files and digests, or "missing" with a reason;
data/<name>-sample.csv, the training examples used, the first of them for sharpness.
"""


rule dataset:
    input:
        given_path,
    output:
        "<results>/data/{data}.json",
    log:
        "<logs>/data/{data}.log",
    benchmark:
        "<benchmarks>/data/{data}.tsv"
    threads: 1
    resources:
        mem_mb=doubled(1000),
        runtime=doubled(240),
        gpu=0,
    params:
        source=lambda wildcards: settings.source(wildcards.data),
        within_reach=lambda wildcards: within_reach(wildcards.data, settings.source(wildcards.data)),
        revision=RECORDS_REVISION,
    script:
        "../scripts/dataset.py"


rule sample:
    input:
        "<results>/data/{data}.json",
    output:
        "<results>/data/{data}-sample.csv",
    log:
        "<logs>/data/{data}-sample.log",
    benchmark:
        "<benchmarks>/data/{data}-sample.tsv"
    wildcard_constraints:
        data=one_of(SAMPLED),
    threads: 1
    resources:
        mem_mb=doubled(4000),
        runtime=doubled(60),
        gpu=0,
    params:
        sample=settings.sample.model_dump(),
        revision=SAMPLE_REVISION,
    script:
        "../scripts/sample.py"
