"""Rule standin: train the stand-ins of a pool and write them in the publishers' format."""

from pathlib import Path
from shutil import rmtree

from sharpness.checkpoints.table import PublishedModel
from sharpness.evaluation.published import KEYS
from sharpness.io.files import write_csv
from sharpness.io.job import job
from sharpness.mini.models import make_standins

with job(snakemake):
    params = snakemake.params
    members = [PublishedModel(**member) for member in params.members]
    own = Path(snakemake.output[0]).with_suffix("")
    rmtree(own, ignore_errors=True)
    found = make_standins(params.format, members, params.network, own / "mirror")
    rows = [
        {"pool": snakemake.wildcards.pool, "model": model, "part": part, "error": error}
        for model, errors in found.items()
        for part, error in errors.items()
    ]
    same = {"preprocessing": params.preparation, "source": "measured by the stand-in's training"}
    write_csv(snakemake.output[0], [row | same for row in rows], KEYS)
