"""TLS with a private certificate authority: the certificates, and nginx as a site would put it in front."""

import socket
import ssl
from dataclasses import dataclass
from pathlib import Path

import psutil
import trustme

from tests.rig.needs import find_program, missing
from tests.rig.processes import Process, free_port


@dataclass(frozen=True)
class PrivateCa:
    """Files of an authority that no system trusts, and of a server certificate it signed."""

    ca_file: Path
    certificate: Path
    key: Path

    def client_context(self) -> ssl.SSLContext:
        """Trusts this authority alone."""
        return ssl.create_default_context(cafile=str(self.ca_file))


def make_private_ca(folder: Path, *names: str) -> PrivateCa:
    """An authority and one certificate, for this machine's loopback and outer address and `names`."""
    authority = trustme.CA()
    leaf = authority.issue_cert("localhost", "127.0.0.1", outer_address(), *names)
    ca_file, certificate, key = folder / "ca.pem", folder / "hub.pem", folder / "hub.key"
    authority.cert_pem.write_to_path(ca_file)
    leaf.private_key_pem.write_to_path(key)
    certificate.write_bytes(b"".join(blob.bytes() for blob in leaf.cert_chain_pems))
    return PrivateCa(ca_file, certificate, key)


def outer_address() -> str:
    """An IPv4 address of this machine that is not loopback."""
    for addresses in psutil.net_if_addrs().values():
        for one in addresses:
            if one.family == socket.AF_INET and not one.address.startswith("127."):
                return str(one.address)
    missing("a network interface besides loopback", "connect this machine to any network")
    raise AssertionError("unreachable: missing() always raises")


NGINX_CONFIG = """
daemon off; master_process off; worker_processes 1; pid {folder}/nginx.pid; error_log stderr warn;
events {{ worker_connections 256; }}
http {{
  access_log off; client_body_temp_path {folder}; proxy_temp_path {folder};
  fastcgi_temp_path {folder}; uwsgi_temp_path {folder}; scgi_temp_path {folder};
  map $http_upgrade $connection_upgrade {{ default upgrade; '' close; }}
  server {{
    listen 127.0.0.1:{port} ssl; listen {outer}:{port} ssl;
    ssl_certificate {certificate}; ssl_certificate_key {key};
    client_max_body_size 0;
    location / {{
      proxy_pass http://127.0.0.1:{upstream};
      proxy_http_version 1.1; proxy_buffering off; proxy_request_buffering off;
      proxy_read_timeout 1h; proxy_set_header Host $http_host;
      proxy_set_header X-Forwarded-Proto https; proxy_set_header X-Forwarded-For $remote_addr;
      proxy_set_header Upgrade $http_upgrade; proxy_set_header Connection $connection_upgrade;
    }}
  }}
}}
"""


class TlsFront:
    """nginx that ends TLS in front of a hub."""

    def __init__(self, folder: Path, ca: PrivateCa, upstream_port: int) -> None:
        self.port = free_port()
        config = folder / "nginx.conf"
        config.write_text(
            NGINX_CONFIG.format(
                folder=folder,
                port=self.port,
                outer=outer_address(),
                upstream=upstream_port,
                certificate=ca.certificate,
                key=ca.key,
            )
        )
        command = [find_program("nginx"), "-e", "stderr", "-c", str(config), "-p", str(folder)]
        self.process = Process(command, folder / "nginx.log")
        self.process.wait_until_listening(self.port)

    @property
    def url(self) -> str:
        return f"https://localhost:{self.port}"

    @property
    def outer_url(self) -> str:
        """By an address that is not loopback: agents reach their own machine without a proxy."""
        return f"https://{outer_address()}:{self.port}"

    def stop(self) -> None:
        self.process.stop()
