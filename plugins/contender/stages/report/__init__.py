"""The report of one decision: a page for people, its figures, and the model's card, all made from the same facts."""
