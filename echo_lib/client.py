"""O cliente de eco da lição 05: uma conversa com um servidor de eco."""

import codecs
import errno
import socket
import threading
from collections.abc import Iterator
from contextlib import suppress
from time import monotonic
from typing import Self

from echo_lib.errors import (
    MOST_BYTES,
    Address,
    EchoError,
    Positive,
    annotate,
    counted,
    valid_address,
    valid_text,
)
from echo_lib.network import resolve
from echo_lib.trace import Trace, TracedSocket

_HUNG_UP = (
    "você encerrou a conversa antes de o eco voltar inteiro.",
    "close(), ou o botão Desconectar, veio enquanto se esperava a resposta.",
    "para conversar de novo, conecte.",
)
_CHUNK = 16 * 1024  # bytes em viagem por vez: cabem nos buffers de qualquer sistema


class EchoClient:
    """Uma conversa com um servidor de eco: conecta, envia texto, recebe o eco.

    Argumentos:
        host: nome ou endereço do servidor.
        port: porta do servidor, de 1 a 65535.
        timeout: segundos que cada operação (connect, send) pode levar ao todo.
        buffer_size: o máximo de bytes de cada recv.
        trace: um Trace onde gravar as chamadas desta conversa; se omitido, vale o `with Trace()`
            em volta, se houver.

    Erros:
        ValueError: host, porta ou prazo inválido.
        TypeError: `trace` não é um Trace.
    """

    timeout = Positive(float)
    buffer_size = Positive(most=MOST_BYTES)

    def __init__(
        self,
        host: str = "127.0.0.1",
        port: int = 61840,
        *,
        timeout: float = 5.0,
        buffer_size: int = 1024,
        trace: Trace | None = None,
    ) -> None:
        self.address: Address = valid_address(host, port, least=1)
        self.timeout, self.buffer_size = timeout, buffer_size
        if not isinstance(trace, Trace | None):
            raise TypeError(f"esperava um Trace; recebi {trace!r}. Use: with Trace() as rastro: …")
        self._trace = trace
        self._sock: socket.socket | None = None
        self._turn = threading.Lock()  # uma mensagem por vez
        self._closed = False

    def __repr__(self) -> str:
        state = "conectado a" if self.connected else "desconectado de"
        return f"<EchoClient {state} {self.address[0]}:{self.address[1]}>"

    def __enter__(self) -> Self:
        return self.connect()

    def __exit__(self, *error: object) -> None:
        self.close()

    @property
    def connected(self) -> bool:
        """Verdadeiro entre connect() e close(), ou até um erro encerrar a conversa."""
        return self._sock is not None

    def connect(self) -> Self:
        """Conecta ao servidor; se já está conectado, não faz nada.

        Erros:
            OSError: ConnectionRefusedError, TimeoutError, socket.gaierror…, com a explicação
                como nota.
        """
        if self._sock is not None:
            return self
        deadline = monotonic() + self.timeout
        self._closed = False
        sock = self._new_socket()
        try:
            address = resolve(self.address, self.timeout)
            sock.settimeout(_left(deadline))
            sock.connect(address)
            if self._closed:  # close() veio de outra thread enquanto se conectava
                raise OSError(errno.ENOTCONN, "a conversa foi encerrada")
        except BaseException as error:  # inclui a interrupção do kernel
            sock.close()
            annotate(error, self.address)
            raise
        self._sock = sock
        return self

    def send(self, text: str) -> str:
        """Envia o texto em UTF-8 e devolve o eco, recebido até o último byte.

        Argumentos:
            text: a mensagem. Vazia, não tem bytes: nada viaja e o eco é vazio.
                Se outra thread está enviando, espera a vez.

        Erros:
            EchoError: o servidor fechou antes de devolver tudo, ou devolveu outra coisa; ou close()
                veio de outra thread antes do eco.
            OSError: TimeoutError (o eco não voltou inteiro em `timeout` segundos),
                ConnectionResetError, ou ENOTCONN se não há conexão.
            UnicodeEncodeError: o texto não cabe em UTF-8; nada foi enviado.
            TypeError: a mensagem não é texto; nada foi enviado.
            Nos outros erros a conversa se encerra: o resto do eco, se chegasse depois, se
            misturaria ao da próxima mensagem.

        Fonte: docs.python.org/3/howto/sockets.html, «Using a Socket»; RFC 9293, seção 3.1.
        """
        valid_text(text)
        with self._turn:
            return self._send(text)

    def _send(self, text: str) -> str:
        sock = self._sock
        try:
            if sock is None:
                raise OSError(errno.ENOTCONN, "a conversa não está aberta")
            echo = self._exchange(sock, text.encode())
        except UnicodeEncodeError as error:  # nada foi enviado: a conversa continua
            annotate(error)
            raise
        except BaseException as error:  # inclui a interrupção do kernel
            self._sock = None
            if sock is not None:
                sock.close()
                if self._closed and isinstance(error, OSError):
                    raise EchoError(*_HUNG_UP) from None
            annotate(error, self.address)
            raise
        if self._sock is not sock:  # close() chegou no fim da troca e deixou o socket conosco
            sock.close()
        return echo

    def close(self) -> None:
        """Encerra a conversa. Pode ser chamado quantas vezes for preciso, de qualquer thread."""
        self._closed = True
        sock, self._sock = self._sock, None
        if sock is None:
            return
        if self._turn.locked():  # close() não acorda um recv em outra thread; shutdown() acorda,
            with suppress(OSError):  # e é ela que fecha o socket
                sock.shutdown(socket.SHUT_RDWR)
        else:
            sock.close()

    def _exchange(self, sock: socket.socket, data: bytes) -> str:
        """Envia e recebe um pedaço por vez: se só enviasse, os dois lados acabariam cheios."""
        deadline = monotonic() + self.timeout
        decoder = codecs.getincrementaldecoder("utf-8")()
        pieces = []
        for start in range(0, len(data), _CHUNK):
            chunk = data[start : start + _CHUNK]
            sock.settimeout(_left(deadline))
            sock.sendall(chunk)
            for echo in self._receive(sock, chunk, deadline):
                pieces.append(decoder.decode(echo))
        return "".join(pieces) + decoder.decode(b"", final=True)

    def _receive(self, sock: socket.socket, sent: bytes, deadline: float) -> Iterator[bytes]:
        """O eco de `sent`, aos pedaços em que chegar, até o último byte."""
        received = 0
        while received < len(sent):
            sock.settimeout(_left(deadline))
            echo = sock.recv(self.buffer_size)
            if not echo:
                raise EchoError(
                    f"o servidor fechou a conexão depois de devolver {received} "
                    f"de {counted(len(sent), 'byte')}.",
                    "ele parou, desconectou ou bloqueou você, ou já está cheio.",
                    "veja se o servidor está de pé e conecte de novo; se ele fecha sempre, fale "
                    "com quem cuida dele.",
                )
            if echo != sent[received : received + len(echo)]:
                raise EchoError(
                    f"esperava o eco {sent[received : received + 20]!r}, recebi {echo[:20]!r}.",
                    "quem responde nesse endereço não é um servidor de eco.",
                    "confira o host e a porta.",
                )
            received += len(echo)
            yield echo

    def _new_socket(self) -> socket.socket:
        """O socket da conversa; rastreado, se esta conversa tem o seu próprio rastro."""
        if self._trace is None:
            return socket.socket(socket.AF_INET, socket.SOCK_STREAM)
        return TracedSocket(socket.AF_INET, socket.SOCK_STREAM, trace=self._trace)


def _left(deadline: float) -> float:
    """Os segundos que faltam até o prazo; TimeoutError, se ele passou."""
    left = deadline - monotonic()
    if left <= 0:
        raise TimeoutError("o prazo acabou")
    return left
