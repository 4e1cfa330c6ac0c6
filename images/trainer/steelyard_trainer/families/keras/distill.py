"""A smaller network of the same kind, taught by the trained one: knowledge distillation (Hinton, Vinyals and Dean 2015,
"Distilling the Knowledge in a Neural Network", arXiv:1503.02531). Imports TensorFlow when it is applied.
"""

from steelyard.api.compression.techniques import Distill
from steelyard.api.models import Model
from steelyard.texts.figures import counted
from steelyard_trainer.compression.artifact import Artifact
from steelyard_trainer.compression.techniques.base import (
    CannotBeMadeError,
    StepData,
    Technique,
    Tell,
)

TIMES_EPOCHS = 2
"""The job's, where the settings do not say how many there are."""
SMALL_SET_ROWS = 5_000
"""Of fewer learned rows there are noisy copies, where the settings do not say."""
_NOISE = 0.1


def _apply(artifact: Artifact, settings: Distill, data: StepData, tell: Tell) -> Artifact:
    from steelyard_trainer.data.shape import Shape
    from steelyard_trainer.families.keras.frozen_graph import weights_of
    from steelyard_trainer.families.keras.keras_file import write_keras
    from steelyard_trainer.families.keras.lessons import Course, LessonRows, TaughtBatches, learn
    from steelyard_trainer.families.keras.narrowing import begin_as
    from steelyard_trainer.families.keras.networks import Scaling, serving_network, training_network
    from steelyard_trainer.families.keras.teacher import Teacher, taught

    if (how_trained := data.how_trained) is None:
        raise CannotBeMadeError("it is not known which kind of network was trained")
    is_elsewhere, training = how_trained.is_elsewhere, how_trained.training
    student = student_of(how_trained.model, settings, is_elsewhere=is_elsewhere)
    shape = Shape(data.width, data.classes, how_trained.categories)
    rows = LessonRows.of(data, how_trained)
    # What came from elsewhere takes features as the table has them, and so must what is published in its place.
    scaling = Scaling.of(rows.learned.features) if is_elsewhere else None
    with data.together.scope():
        network = training_network(student, shape, training.seed, scaling)
    teacher = Teacher.of(artifact, data.classes)
    weights, most = network.model.count_params(), weights_of(teacher.model)
    if weights >= most:
        raise CannotBeMadeError(
            f"a student is smaller than its teacher, but it would have {weights:,} weights to {most:,}"
        )
    if settings.start == "Pruned":
        begin_as(network.model, teacher.model)
    learned, noise = len(rows.learned.targets), settings.noise
    if noise is None:
        noise = _NOISE if learned < SMALL_SET_ROWS else 0.0
    course = Course.of(
        training,
        learned,
        times_epochs=TIMES_EPOCHS,
        times_rate=2,
        epochs=settings.epochs,
        learning_rate=settings.learning_rate,
    )
    name = f"a student of {counted(weights, 'weight')}"
    tell(
        f"{name} learns from the trained network, which has {most:,}, for up to {counted(course.spec.epochs, 'epoch')}"
    )
    work = learn(
        network,
        lambda batches: TaughtBatches.of(batches, teacher, noise),
        rows,
        course,
        data,
        name,
        taught(data.classes is not None, settings.temperature, settings.mixing),
    )
    made = Artifact(data.into, "Keras", work)
    write_keras(serving_network(student, shape, network, "student", scaling), made.file)
    return made


def student_of(model: Model, settings: Distill, *, is_elsewhere: bool = False) -> Model:
    """The student's kind and settings.

    Args:
        model: the trained one, or of one from elsewhere the one that stands for it.
        settings: of the technique.
        is_elsewhere: whether it does.

    Raises:
        CannotBeMadeError: the model has none so small, or not with the first weights that are asked for.
    """
    if is_elsewhere and settings.start == "Pruned":
        raise CannotBeMadeError(
            "Distill.start: Pruned takes the units of a network of the same kind, which a model from elsewhere has "
            "none of; leave start out"
        )
    if settings.model is not None:
        return settings.model if is_elsewhere else _own(settings.model, model)
    student: Model | None = model
    for _ in range(settings.fewer_layers):
        student = student and student.shallower()
    if student is None:
        raise CannotBeMadeError(f"{model.kind} has no network of {counted(settings.fewer_layers, 'layer')} fewer")
    if settings.width < 1:
        student = student.narrowed(settings.width)
    if student is None or student == model:
        raise CannotBeMadeError(f"{model.kind} has no network of {settings.width:g} times the width")
    return student


def _own(student: Model, model: Model) -> Model:
    """A student that the settings say all of. Of another kind its widths say nothing: its weights are counted."""
    widest, most = (max(each.given.widths, default=0) for each in (student, model))
    if student.kind == model.kind and widest > most:
        raise CannotBeMadeError(
            f"a student wider than its teacher: its widest layer would have {widest:,} units, the trained network's "
            f"has {most:,}"
        )
    return student


TECHNIQUE = Technique(Distill, _apply)
