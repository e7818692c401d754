"""Rule standin_data: small data sets in the formats and places of the published ones."""

from pathlib import Path
from shutil import rmtree

from sharpness.files import write_json
from sharpness.job import job
from sharpness.standins.photos import write_photos
from sharpness.standins.sentences import write_sentences

with job(snakemake):
    work = Path(snakemake.output[0]).parent
    for name in ("cache", "folders", "mirror"):
        rmtree(work / name, ignore_errors=True)  # downloads of former stand-ins included
    write_photos(work)
    write_sentences(work / "mirror")
    write_json(snakemake.output[0], {"made": ["photos", "sentences"]})
