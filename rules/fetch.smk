"""Download everything that the configuration needs into the cache.

Needs: the network or a mirror, even with `offline: true`; runs where Snakemake was started.
Makes: fetched/<item>.json, for each model or data source the URL, size and digest of its files.
"""

from sharpness.config import required

NEEDED_DATA = needed_data(settings, PARTS, STUDIED_DATA)
ITEMS = required.items(settings, NEEDED_DATA)
PLACES = settings.places()


rule fetch_item:
    output:
        "<results>/fetched/{item}.json",
    log:
        "<logs>/fetch/{item}.log",
    benchmark:
        "<benchmarks>/fetch/{item}.tsv"
    wildcard_constraints:
        item=f"models/{NAME}/{NAME}|data/{NAME}",
    localrule: True
    threads: 1
    resources:
        mem_mb=doubled(500),
        runtime=doubled(240),
        gpu=0,
    params:
        files=lambda wildcards: ITEMS[wildcards.item],
        cache=PLACES["cache"],
        mirror=PLACES["mirror"],
        gone=lambda wildcards: required.left_cache(
            f"{settings.home}/fetched/{wildcards.item}.json",
            ITEMS[wildcards.item],
            PLACES["cache"],
        ),
    message:
        "fetch: {wildcards.item}"
    script:
        "../scripts/fetch_item.py"


rule fetch:
    input:
        expand("<results>/fetched/{item}.json", item=ITEMS),
    log:
        "<logs>/fetch.log",
    localrule: True
    threads: 1
    resources:
        mem_mb=doubled(500),
        runtime=doubled(10),
        gpu=0,
    params:
        cache=PLACES["cache"],
        by_hand=lambda wildcards: required.missing_by_hand(settings, NEEDED_DATA),
    script:
        "../scripts/fetch.py"
