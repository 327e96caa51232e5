"""Mede quanto o kernel demora a responder `1+1` enquanto um diagrama desenha uma rajada.

Uso, na raiz do projeto: `.venv/bin/python tests/benchmarks/diagram.py [--rodadas N]`.

Num kernel de verdade, uma thread faz rajadas de 10.000 chamadas de socket, sem parar; ao mesmo
tempo, pede-se `1+1` muitas vezes. As quatro situações se intercalam: sem rajada, rajada sem
rastro, com rastro, e com rastro e diagrama aberto. A meta é p99 abaixo de 100 ms com o diagrama.
"""

from __future__ import annotations

import argparse
import time
from statistics import quantiles

from jupyter_client.manager import start_new_kernel

TIMEOUT = 60.0
REQUESTS = 100  # pedidos de 1+1 por situação e rodada
AIM = 100.0  # ms
SETUP = """
import socket, threading
from contextlib import nullcontext
from echo_lib import SequenceDiagram, Trace

class Situation:
    def __init__(self, traced, drawn):
        self.trace, self.updates, self.calls = Trace(), 0, 0
        self.stopping = threading.Event()
        self.diagram = SequenceDiagram(self.trace) if drawn else None
        if drawn:
            send = self.diagram.send
            def count(content):
                self.updates += 1
                send(content)
            self.diagram.send = count
            self.diagram._handle_custom_msg({"command": "hello"}, [])  # o que a página diria
        with self.trace if traced else nullcontext():
            self.listener = socket.create_server(("127.0.0.1", 0))
            self.client = socket.create_connection(self.listener.getsockname())
        self.conn, _ = self.listener.accept()
        self.thread = threading.Thread(target=self.burst)
        self.thread.start()

    def burst(self):
        while not self.stopping.is_set():
            for _ in range(2500):
                self.client.sendall(b"x" * 64); self.conn.recv(1024)
                self.conn.sendall(b"y" * 64); self.client.recv(1024)
                self.calls += 4
                if self.stopping.is_set():
                    break
            self.stopping.wait(0.2)

    def end(self):
        self.stopping.set()
        self.thread.join()
        for sock in (self.client, self.conn, self.listener):
            sock.close()
        if self.diagram:
            self.diagram.close()
        print(self.calls, self.updates)
"""
SITUATIONS = {
    "sem rajada": None,
    "rajada sem rastro": "False, False",
    "com rastro": "True, False",
    "com rastro e diagrama": "True, True",
}


def execute(client: object, code: str) -> str:
    """Executa no kernel e devolve o que foi impresso."""
    printed: list[str] = []

    def show(message: dict) -> None:
        if message["msg_type"] == "stream":
            printed.append(message["content"]["text"])

    reply = client.execute_interactive(code, timeout=TIMEOUT, output_hook=show)  # type: ignore
    assert reply["content"]["status"] == "ok", reply["content"]
    return "".join(printed)


def measure(client: object, given: str | None) -> tuple[list[float], float, float]:
    """Latências em ms, chamadas de socket por segundo e atualizações da página por segundo."""
    start = time.perf_counter()
    if given:
        execute(client, f"situation = Situation({given})")
    found = []
    for _ in range(REQUESTS):
        asked = time.perf_counter()
        execute(client, "1+1")
        found.append((time.perf_counter() - asked) * 1000)
    calls, updates = map(int, execute(client, "situation.end()").split()) if given else (0, 0)
    seconds = time.perf_counter() - start
    return found, calls / seconds, updates / seconds


def main() -> None:
    """Mede as situações, intercaladas, e imprime a tabela."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rodadas", type=int, default=5)
    rounds = parser.parse_args().rodadas
    manager, client = start_new_kernel()
    try:
        execute(client, SETUP)
        results = {name: ([], [], []) for name in SITUATIONS}
        for _ in range(rounds):
            for name, given in SITUATIONS.items():
                latencies, calls, updates = measure(client, given)
                results[name][0].extend(latencies)
                results[name][1].append(calls)
                results[name][2].append(updates)
    finally:
        client.stop_channels()
        manager.shutdown_kernel(now=True)
    print(f"{'situação':24}{'p50 ms':>9}{'p99 ms':>9}{'chamadas/s':>12}{'atualizações/s':>16}")
    for name, (latencies, calls, updates) in results.items():
        cuts = quantiles(latencies, n=100)
        line = f"{name:24}{cuts[49]:9.1f}{cuts[98]:9.1f}{max(calls):12.0f}{max(updates):16.1f}"
        print(line.replace(".", ","))
    p99 = {name: quantiles(found[0], n=100)[98] for name, found in results.items()}
    ratio = p99["com rastro e diagrama"] / p99["rajada sem rastro"]
    reached = "alcançada" if p99["com rastro e diagrama"] < AIM else "não alcançada"
    print(f"p99 com diagrama / rajada sem rastro: {ratio:.2f}; meta < {AIM:.0f} ms: {reached}")


if __name__ == "__main__":
    main()
