"""What a cell is: missing, a number, a whole number, a truth value, a date or a word. Said here and nowhere else.

`init`, `validate`, the stage prepare, `predict` and its score all ask this package, alike for features, categories and
labels. Its modules import the standard library and the api; numpy where dates become parts.
"""
