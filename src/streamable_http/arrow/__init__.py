"""Streams as Arrow record batches, for pyarrow and whatever takes its streams.

    with client.stream("GET", url, decoder=Raw(whole_lines=True)) as stream:
        frame = polars.DataFrame(to_arrow_batches(stream, schema=schema))

Memory is bounded by the batch; the cursor passes a batch once the next one is asked for. Extra
`arrow`.
"""

from ._batches import ArrowBatches, AsyncArrowBatches, to_arrow_batches

__all__ = ["ArrowBatches", "AsyncArrowBatches", "to_arrow_batches"]
