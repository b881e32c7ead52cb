"""A new model from a template and somebody's data: profile, declare, draft, write."""
