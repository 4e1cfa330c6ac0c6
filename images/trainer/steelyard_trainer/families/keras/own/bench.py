"""Where the stage finish weighs, judges and packs a network that a function of the user's own built. Imports Keras and
the bench of networks.
"""

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import keras

from steelyard_trainer.compression.artifact import Artifact
from steelyard_trainer.contract import StageContext
from steelyard_trainer.families.keras.assembly import ROWS_ASKED, own_code_of
from steelyard_trainer.families.keras.bench import Workbench
from steelyard_trainer.families.keras.own.network import own_network
from steelyard_trainer.own_code.data_shape import DataShape
from steelyard_trainer.own_code.evidence import write_code


@dataclass(frozen=True, kw_only=True)
class OwnWorkbench(Workbench):
    """The candidates of such a network."""

    context: StageContext

    @cached_property
    def model(self) -> keras.Model:
        """The trained network: built anew by the function, with the weights of the file. Raises ConfigurationError."""
        data, code = DataShape.of(self.preprocessing, self.spec.training.seed), own_code_of(self.context)
        asked = self.dataset.read("train").features[:ROWS_ASKED]
        with code.called("the model with its trained weights"):
            model = own_network(code, data, asked).served()
            model.load_weights(self.model_file)
        return model

    def write(self, folder: Path, chosen: Artifact, baseline: Artifact) -> None:
        """See Workbench: with the code beside it, as evidence."""
        super().write(folder, chosen, baseline)
        write_code(self.context.code, folder)
