"""Small studies that run on any machine, most of them at their papers' own size.

``linear`` and ``diagonal`` are Figures 1 and 7 of Andriushchenko et al. (2023), ``hammoud``
is Hammoud et al. (2023), ``wen`` is Wen, Ma and Li (2023). Each study is a package whose
``summary.summarise`` sets its results beside the published ones and whose ``figures.compose`` draws
its figures, both from the CSV files that its other modules make.
"""
