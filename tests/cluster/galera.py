"""A Galera cluster of three MariaDB nodes on this machine: real replication, real certification, real state transfers.

A node can be killed, cut off from the others (it keeps its clients, as in a partition) and brought back.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import time
from pathlib import Path
from typing import Any

import pymysql

from tests.databases import install, temporary
from tests.processes import PATIENCE, Process, eventually, free_port

PROVIDER = Path("/usr/lib/galera/libgalera_smm.so")
TOOLS = ("mariadbd", "mariadb-install-db", "rsync", "lsof")  # the last two: how a new node is sent everything
DATABASE = "pay"
SERVICE = "mysql"  # the user that MariaDB runs as; rsync, which copies for it, refuses to be root
RECOVERIES = 3


def installed() -> bool:
    return PROVIDER.exists() and all(shutil.which(tool) for tool in TOOLS)


class Node:
    def __init__(self, folder: Path, name: str) -> None:
        self.name = name
        self.port, self.group, self.ist, self.sst = (free_port() for _ in range(4))
        self._folder = folder / name
        self._folder.mkdir()
        self._data = self._folder / "data"
        self._user = SERVICE if os.geteuid() == 0 else ""
        self._data.mkdir()
        if self._user:
            shutil.chown(self._folder, self._user)
            shutil.chown(self._data, self._user)
        self.process: Process

    @property
    def url(self) -> str:
        return f"mysql://root:@127.0.0.1:{self.port}/{DATABASE}"

    def start(self, others: list[Node], *, first: bool = False) -> None:
        """Join the others, or found the cluster. Returns when it has all that they have: a new node is sent everything,
        the files of an empty server too."""
        if first:
            install(self._data, self._user)
        address = ",".join(f"127.0.0.1:{node.group}" for node in others)
        command = [*self._command(), f"--wsrep-cluster-address=gcomm://{address}"]
        begin = ["--wsrep-new-cluster"] if first else self._where_it_was_killed(command)
        self.process = Process([*command, *begin], self._folder / "log")
        self.process.start(self.is_synced, 2 * PATIENCE)

    def _command(self) -> list[str]:
        return [
            shutil.which("mariadbd") or "mariadbd",
            "--no-defaults",
            f"--datadir={self._data}",
            f"--tmpdir={temporary(self._folder)}",
            *([f"--user={self._user}"] if self._user else []),
            f"--socket={self._folder / 'db.sock'}",
            f"--pid-file={self._folder / 'db.pid'}",
            f"--port={self.port}",
            "--bind-address=127.0.0.1",
            "--innodb-flush-log-at-trx-commit=1",
            "--innodb-buffer-pool-size=64M",
            "--innodb-autoinc-lock-mode=2",
            "--binlog-format=ROW",
            "--wsrep-on=ON",
            "--wsrep-sync-wait=1",  # what one node has acknowledged, the others can read
            f"--wsrep-provider={PROVIDER}",
            "--wsrep-cluster-name=pay",
            f"--wsrep-node-name={self.name}",
            f"--wsrep-node-address=127.0.0.1:{self.group}",
            "--wsrep-sst-method=rsync",
            f"--wsrep-sst-receive-address=127.0.0.1:{self.sst}",
            f"--wsrep-provider-options=gmcast.listen_addr=tcp://127.0.0.1:{self.group};ist.recv_addr=127.0.0.1:{self.ist}",
        ]

    def _where_it_was_killed(self, command: list[str]) -> list[str]:
        """A node that was stopped has written down how far it came; one that was killed finds out by recovering."""
        state = self._data / "grastate.dat"
        if not state.exists() or not re.search(r"seqno:\s+-1", state.read_text("ascii")):
            return []
        for _ in range(RECOVERIES):
            told = subprocess.run([*command, "--wsrep-recover"], capture_output=True, text=True, check=False)
            if found := re.search(r"Recovered position: (\S+)", told.stderr):
                return [f"--wsrep-start-position={found[1]}"]
            time.sleep(1)  # its files may be locked yet, by the one that was killed
        raise AssertionError(told.stderr)

    def is_synced(self) -> bool:
        try:
            return self.status("wsrep_ready") == "ON" and self.status("wsrep_local_state_comment") == "Synced"
        except pymysql.err.MySQLError:
            return False

    def status(self, name: str) -> str:
        return str(self.rows(f"SHOW STATUS LIKE '{name}'")[0][1])

    def rows(self, sql: str) -> list[tuple[Any, ...]]:
        connection = pymysql.connect(host="127.0.0.1", port=self.port, user="root", password="", read_timeout=PATIENCE)
        try:
            cursor = connection.cursor()
            cursor.execute(sql)
            return list(cursor.fetchall())
        finally:
            connection.close()

    def cut_off(self) -> None:
        """From the other nodes; its clients still reach it."""
        self.rows("SET GLOBAL wsrep_provider_options = 'gmcast.isolate=1'")
        eventually(lambda: self.status("wsrep_cluster_status") != "Primary")

    def let_back(self) -> None:
        self.rows("SET GLOBAL wsrep_provider_options = 'gmcast.isolate=0'")
        eventually(self.is_synced)


class Cluster:
    """``folder``: one that the user ``mysql`` may enter."""

    def __init__(self, folder: Path, size: int = 3) -> None:
        self.nodes = [Node(folder, f"node{number}") for number in range(size)]
        self.nodes[0].start([], first=True)
        for node in self.nodes[1:]:
            node.start(self.others(node))
        self.nodes[0].rows(f"CREATE DATABASE {DATABASE} CHARACTER SET utf8mb4")

    def others(self, node: Node) -> list[Node]:
        return [other for other in self.nodes if other is not node]

    def is_whole(self) -> bool:
        size = str(len(self.nodes))
        return all(node.is_synced() and node.status("wsrep_cluster_size") == size for node in self.nodes)

    def close(self) -> None:
        for node in reversed(self.nodes):
            if node.process.alive:
                node.process.stop()
