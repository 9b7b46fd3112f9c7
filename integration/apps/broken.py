"""An app that does not import."""
raise ImportError('broken on purpose')
