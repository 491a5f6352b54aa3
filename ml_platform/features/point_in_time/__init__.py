"""Point-in-time joins: feature views joined to events as they were available then."""
