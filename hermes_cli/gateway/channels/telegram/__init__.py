"""Telegram, by long polling: nothing of it is imported unless a token is configured.

    poll → inbox → store → turns → store → outbox → api

What is stored is confirmed to Telegram by the next poll and by nothing else; what is to be delivered is derived from the
store, so an answer of any instance, and of an older release, is delivered by whoever runs.
"""
