"""The provider ``ssh`` of arb: machines that a team already has."""
