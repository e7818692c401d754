"""Draw the figures of resources/figures.yaml, and write the report.

Needs: pool.csv of the pools that a figure shows; correlations.csv and figures for the report.
Makes: figures/<figure>.pdf and .png, and .csv with every τ that the figure prints;
figures/measures.pdf and .png, τ of all measures beside the headline cells; report.html,
and provenance.json, which says what made it.
"""

# Figures of the same pools share a process: starting it takes longer than drawing a figure.
for pools, names in DRAWN_FROM.items():

    rule:
        name:
            f"figures+{'+'.join(pools)}"
        input:
            expand("<results>/{pool}/pool.csv", pool=pools),
        output:
            pdf=expand("<results>/figures/{figure}.pdf", figure=names),
            png=[drawing(name, entry_of(name)["title"], "PNG", "figure") for name in names],
            csv=[drawing(name, entry_of(name)["title"], "CSV", "figure") for name in names],
        log:
            f"<logs>/figures/{'+'.join(pools)}.log",
        benchmark:
            f"<benchmarks>/figures/{'+'.join(pools)}.tsv"
        threads: 1
        resources:
            mem_mb=doubled(1000),
            runtime=doubled(10),
            gpu=0,
        params:
            entries=[entry_of(name) for name in names],
            pools=pools,
            defaults={
                pool: settings.pools[pool].sharpness.model_dump(include={"m", "steps"})
                for pool in pools
            },
            note=settings.note,
            code=source_digest("scripts/figures.py"),
        script:
            "../scripts/figures.py"


rule measures:
    input:
        expand("<results>/{pool}/measures.csv", pool=MEASURED),
    output:
        pdf="<results>/figures/measures.pdf",
        png=drawing("measures", MEASURES_TITLE, "PNG", "measures"),
    log:
        "<logs>/figures/measures.log",
    benchmark:
        "<benchmarks>/figures/measures.tsv"
    threads: 1
    resources:
        mem_mb=doubled(1000),
        runtime=doubled(10),
        gpu=0,
    params:
        title=MEASURES_TITLE,
        pools=[settings.pools[name].title for name in MEASURED],
        note=settings.note,
        code=source_digest("scripts/measures.py"),
    script:
        "../scripts/measures.py"


rule figures:
    input:
        expand("<results>/figures/{figure}.pdf", figure=[*FIGURES, *STUDY_FIGURES]),
        ["<results>/figures/measures.pdf"] if MEASURED else [],


rule report:
    input:
        pools=expand("<results>/{pool}/pool.csv", pool=settings.pools),
        correlations=expand("<results>/{pool}/correlations.csv", pool=settings.pools),
        subgroups=expand("<results>/{pool}/subgroups.csv", pool=settings.pools),
        families=expand("<results>/{pool}/families.csv", pool=settings.pools),
        measures=expand("<results>/{pool}/measures.csv", pool=settings.pools),
        convergence=expand("<results>/{pool}/convergence.csv", pool=settings.pools),
        protocols=expand("<results>/{pool}/protocols.csv", pool=settings.pools),
        grid=expand("<results>/{pool}/grid.csv", pool=settings.pools),
        compared=expand("<results>/{pool}/published.csv", pool=PUBLISHED),
        facts=expand("<results>/{pool}/published_facts.csv", pool=PUBLISHED),
        figures=expand("<results>/figures/{figure}.png", figure=FIGURES),
        all_measures=["<results>/figures/measures.png"] if MEASURED else [],
        summaries=expand("<results>/simple/{study}/summary.csv", study=STUDIES),
        drawings=expand("<results>/figures/{figure}.png", figure=STUDY_FIGURES),
        published="resources/paper_taus.csv",
        published_measures="resources/published_measures.csv",
        departures="resources/departures.csv",
    output:
        provenance="<results>/provenance.json",
        page=report(
            "<results>/report.html",
            caption="../report/page.rst",
            category="The whole report on one page",
            labels={"scale": settings.scale, "format": "HTML"},
        ),
    log:
        "<logs>/report.log",
    benchmark:
        "<benchmarks>/report.tsv"
    threads: 1
    resources:
        mem_mb=doubled(1000),
        runtime=doubled(10),
        gpu=0,
    params:
        pools={name: pool.title for name, pool in settings.pools.items()},
        compared=PUBLISHED,
        taken=[name for name in PUBLISHED if settings.pools[name].errors == "published"],
        tables=TABLES,
        records=sorted(
            f"{settings.home}/data/{name}.json"
            for name in {*STUDIED_DATA}.union(
                *(pool.known_data.values() for pool in settings.pools.values())
            )
        ),
        studies={name: study.model_dump() for name, study in STUDIES.items()},
        study_notes={name: settings.study_note(name) for name in STUDIES},
        entries=[entry_of(figure) for figure in FIGURES],
        scale=settings.scale,
        note=settings.note,
        benchmarks=f"{settings.home}/benchmarks",
        code=source_digest("scripts/report.py"),
    script:
        "../scripts/report.py"
