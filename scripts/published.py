"""Rule published: compare the publishers' errors with the evaluated ones."""

import pandas as pd

from sharpness.evaluation.augreg_index import compare_with_index
from sharpness.evaluation.published import (
    compare,
    compare_facts,
    errors_for_preprocessing,
    read_facts,
    read_published_errors,
)
from sharpness.io.files import write_frame
from sharpness.io.job import job
from sharpness.statistics.correlation import read_pool

with job(snakemake):
    params, name = snakemake.params, snakemake.wildcards.pool
    pool, stated = read_pool(snakemake.input.pool), {}
    for path in snakemake.input.published:
        stated |= read_published_errors(path, name)
    replace = params.errors == "published"
    taken = errors_for_preprocessing(stated, params.preparation) if replace else {}
    table = compare(pool, stated, params.preparation, taken)
    origins = {"evaluated here": pool["error_test"]}
    if params.stems:
        by_makers = compare_with_index(pool, params.stems, params.places, params.preparation, taken)
        origins["by index.csv"] = by_makers["published"]
        table = pd.concat([table, by_makers], ignore_index=True)
    write_frame(snakemake.output.compared, table)
    facts = read_facts(snakemake.input.facts, name)
    write_frame(snakemake.output.facts, compare_facts(facts, origins, params.standins))
