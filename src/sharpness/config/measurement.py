"""What is measured on each model."""

from __future__ import annotations

from typing import Annotated, Self

from pydantic import Field, model_validator

from sharpness.config.words import DefinitionId, Name, ProtocolName, Radii
from sharpness.definition import ALL, Cell, Data, Definition
from sharpness.validation import Count, Counts, Distinct, Fraction, Seed, Settings


class Ablation(Settings):
    """One definition measured in other ways than the pool's own (App. H.1 to H.3)."""

    definition: DefinitionId
    radii: Radii
    data: Annotated[list[Data], Field(min_length=1), Distinct] = Field(default=["original"])
    m: Counts | None = None
    steps: Counts | None = None


class Sharpness(Settings):
    """What is measured on each model."""

    points: Count
    m: Count
    steps: Count
    samples: dict[ProtocolName, Count] = Field(default_factory=dict)
    seed: Seed = 0
    max_train_error: Fraction | None = None
    radii: dict[DefinitionId, Radii]
    ablations: dict[Name, Ablation] = Field(default_factory=dict)

    @model_validator(mode="after")
    def _whole_batches(self) -> Self:
        sizes = {"m": [self.m]}
        sizes |= {f"ablations.{name}.m": a.m or [] for name, a in self.ablations.items()}
        for key, many in sizes.items():
            for m in many:
                if self.points % m:
                    raise ValueError(f"{key}: {m}: does not divide the {self.points} points")
        return self

    def cells(self, protocols: list[str]) -> list[Cell]:
        """Every cell of a model, without repetition.

        Their order is that of the paper's tables, whatever the order of the configuration.
        """
        wanted = [
            Cell(Definition.parse(word), radius, protocol)
            for protocol in protocols
            for word in self.radii
            for radius in sorted(self.radii[word])
        ]
        wanted.sort(key=lambda cell: (protocols.index(cell.protocol), ALL.index(cell.definition)))
        for name in sorted(self.ablations):
            wanted += self._ablated(self.ablations[name], protocols[0])
        return list(dict.fromkeys(wanted))

    def _ablated(self, ablation: Ablation, protocol: str) -> list[Cell]:
        definition = Definition.parse(ablation.definition)
        sizes: list[int | None] = [*ablation.m] if ablation.m else [None]
        counts: list[int | None] = [*ablation.steps] if ablation.steps else [None]
        return [
            Cell(
                definition,
                radius,
                protocol,
                data,
                None if m == self.m else m,
                None if steps == self.steps else steps,
            )
            for data in ablation.data
            for m in sizes
            for steps in counts
            for radius in ablation.radii
        ]
