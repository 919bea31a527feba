"""Projects: opened, planned, drawn with gates and budget, shown; and the queue in which they wait."""
