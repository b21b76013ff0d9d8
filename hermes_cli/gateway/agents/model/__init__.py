"""An agent that a model drives: OpenAI-compatible chat completions, streamed, with one tool, the terminal.

    history → endpoint (wire, deltas) → steps → terminal → steps → endpoint → …

Nothing of it is imported unless `[model] base_url` is set. Each step is on the disk before the next one is taken.
"""
