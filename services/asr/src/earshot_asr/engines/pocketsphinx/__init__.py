"""The embedded engine: pocketsphinx in worker processes, with a vocabulary made from the registered skills.

    event loop                                      processes of their own
    engine ── bundles ─────────────────────────────► builder      templates → model and dictionary files, then ends
       │                                            ┌► worker 0   decoders; one utterance each
       └──── pool ── process ── pipes (frames.py) ──┼► worker 1
                                                    └► worker n

The decoder holds the interpreter's lock for as long as it searches, so it never runs in the service's own process.
Interim results come from a streaming search; the final result from a second search over the whole utterance, because
only then the mean of its cepstrum is known, which decides one command in twelve.
"""
