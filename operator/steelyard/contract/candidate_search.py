"""What steelyard.json says of a search of candidates (compression.candidates: [Auto]). Imports the documents only."""

from steelyard.contract.documents import Document, absent


class CandidateSearchReport(Document):
    """How a search found the candidates."""

    trainings: int
    max_trainings: int
    work: float
    """In times the model's own training (rows x epochs x weights), as is the next."""
    max_work: float
    max_minutes: float | None = absent()
    ended: str
    """Why it ended."""
    told: str
    """All of it, for people."""
