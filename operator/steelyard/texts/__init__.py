"""What is said to people beside an error's own message: figures, advice, commands. Imports the standard library only;
every other package may import it."""
