# %% [markdown]
# # A stream in a notebook
#
# Cells in the format that Jupyter and editors open: a stream is opened in one, read in others, and
# closed in the last. `AsyncClient` works the same, with `await` at the top of a cell.
# Start the demo service first: `streamable-http serve`.

# %%
import sys
from typing import Any

import streamable_http as shttp

base_url = sys.argv[1] if len(sys.argv) > 1 else "http://127.0.0.1:3001"
client = shttp.Client(base_url=base_url)

# %%
stream = client.stream(
    "GET", "/stream/metrics", decoder=shttp.SSEData(dict[str, Any]), terminal="[DONE]"
).open()
print(stream.response.headers["x-total-count"], "announced")

# %%
first = next(stream)
print(first["metric"], first["value"])

# %%
values = [first["value"], *(metric["value"] for metric in shttp.track(stream, "metrics"))]
print(
    f"{len(values)} values, {max(values)} the largest; the end was proved by {stream.stats.ended}"
)

# %%
stream.close()
client.close()
