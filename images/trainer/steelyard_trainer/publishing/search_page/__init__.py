"""`search.html`: what a search found out, as one page that needs no network. Imports steelyard.api, numpy and, for the
importance of parameters, scikit-learn."""

from steelyard_trainer.publishing.search_page.page import search_page

__all__ = ["search_page"]
