"""nginx with nchan, and a folder of files that it serves."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import httpx
from real_harness import (
    debian_file,
    debian_program,
    free_port,
    library_path,
    listening,
    running,
)

__all__ = ["Nginx", "nginx"]

_CONFIG = """
{user}
daemon off;
worker_processes 1;
pid nginx.pid;
error_log stderr;
load_module {nchan};
events {{ }}
http {{
    access_log off;
    client_body_temp_path body;
    proxy_temp_path proxy;
    fastcgi_temp_path fastcgi;
    uwsgi_temp_path uwsgi;
    scgi_temp_path scgi;
    types {{
        application/x-ndjson ndjson;
        text/csv csv;
        text/plain txt;
        application/octet-stream bin;
    }}
    nchan_message_buffer_length 10000;
    server {{
        listen 127.0.0.1:{port};
        root files;
        location /plain/ {{ alias files/; }}
        location /gzipped/ {{ alias files/; gzip on; gzip_types *; }}
        location /whole/ {{ alias files/; max_ranges 0; }}
        location ~ ^/publish/(\\w+)$ {{ nchan_publisher; nchan_channel_id $1; }}
        location ~ ^/sse/(\\w+)$ {{
            nchan_subscriber eventsource;
            nchan_channel_id $1;
            nchan_subscriber_first_message oldest;
        }}
        location ~ ^/brief/(\\w+)$ {{
            nchan_subscriber eventsource;
            nchan_channel_id $1;
            nchan_subscriber_timeout 1;
            nchan_subscriber_first_message oldest;
        }}
        location ~ ^/raw/(\\w+)$ {{
            nchan_subscriber http-raw-stream;
            nchan_channel_id $1;
            nchan_subscriber_first_message oldest;
        }}
        location ~ ^/multipart/(\\w+)$ {{
            nchan_subscriber http-multipart;
            nchan_channel_id $1;
            nchan_subscriber_first_message oldest;
        }}
        location ~ ^/poll/(\\w+)$ {{
            nchan_subscriber longpoll;
            nchan_channel_id $1;
            nchan_subscriber_timeout 1;
            nchan_subscriber_first_message oldest;
        }}
    }}
}}
"""


@dataclass(frozen=True)
class Nginx:
    """A running nginx.

    Attributes:
        port: Where it listens.
        files: The folder that it serves below /plain/, /gzipped/ and /whole/.
    """

    port: int
    files: Path

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def publish(
        self, channel: str, messages: Iterable[str], content_type: str = "application/json"
    ) -> None:
        """Puts messages into a channel, whose subscribers get the oldest first."""
        with httpx.Client(trust_env=False, headers={"Content-Type": content_type}) as http:
            for message in messages:
                url = f"{self.url}/publish/{channel}"
                http.post(url, content=message.encode()).raise_for_status()


@contextlib.contextmanager
def nginx(folder: Path) -> Iterator[Nginx]:
    """An nginx that keeps everything in a folder of ours."""
    program = debian_program("nginx")
    nchan = debian_file("usr/lib/nginx/modules/ngx_nchan_module.so", of="nchan for nginx")
    port, files = free_port(), folder / "files"
    files.mkdir()
    user = "user root;" if os.geteuid() == 0 else ""
    config = folder / "nginx.conf"
    config.write_text(_CONFIG.format(user=user, nchan=nchan, port=port))
    command = [program, "-p", folder, "-c", config, "-e", "stderr"]
    with running(*command, folder=folder, ready=listening(port), env=library_path()):
        yield Nginx(port, files)
