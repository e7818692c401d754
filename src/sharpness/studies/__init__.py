"""Small studies that run on any machine, most of them at their papers' own size.

``linear`` and ``diagonal`` are Figures 1 and 7 of Andriushchenko et al. (2023), ``hammoud`` is
Hammoud et al. (2023), ``wen`` is Wen, Ma and Li (2023). Each has a function ``summarise`` (findings
beside the published values) and ``compose`` (figures); both read only files that the study's other
modules wrote. `findings` calls them.
"""
