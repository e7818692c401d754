"""Data sets: where they lie, or why they do not.

Needs: the network, a mirror, a folder that the user names, or nothing (digits).
Makes: data/<name>.json, which says "present" with files and digests, or "missing" and why.
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
        mem_mb=1000,
        runtime=240,
        gpu=0,
    params:
        source=lambda wildcards: settings.source(wildcards.data),
        code=code_of("dataset", "data/places"),
    script:
        "../scripts/dataset.py"
