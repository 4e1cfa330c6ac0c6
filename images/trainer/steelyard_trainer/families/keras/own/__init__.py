"""Networks that a function of the user's own builds."""
