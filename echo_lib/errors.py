"""Explica em português os erros das lições: o que houve, a causa provável, o que fazer."""

import codecs
import ipaddress
import re
import socket
import traceback
from dataclasses import dataclass
from errno import errorcode
from typing import TYPE_CHECKING, Any

from echo_lib.mistakes import BAD_PORT, Texts, explained, last_lines

Address = tuple[str, int]
MOST = 10**9  # o maior limite aceito: segundos, clientes, eventos
MOST_BYTES = 2**20  # o maior buffer_size aceito: um recv o reserva inteiro
CLOSED_PANEL = "esperava um painel aberto, e este foi encerrado: execute a célula dele."

_BEGINS = "O que aconteceu:"


@dataclass(frozen=True)
class Explanation:
    """Uma exceção traduzida para quem está aprendendo."""

    happened: str
    cause: str
    remedy: str
    codes: str = ""

    def __str__(self) -> str:
        lines = [
            f"{_BEGINS} {self.happened}",
            f"Causa provável: {self.cause}",
            f"O que fazer: {self.remedy}",
        ]
        return "\n".join([*lines, f"Código: {self.codes}"] if self.codes else lines)


class EchoError(ConnectionError):
    """A conversa com o servidor não foi um eco: fechada no meio, ou com outros bytes."""

    def __init__(self, happened: str, cause: str, remedy: str) -> None:
        super().__init__(happened)
        self.explanation = Explanation(happened, cause, remedy)


# Nome POSIX → (Windows, macOS, Linux). Fontes: learn.microsoft.com «Windows Sockets Error
# Codes», errno(2) e netdb.h do macOS, errno(3) e netdb.h do Linux.
CODES: dict[str, tuple[int, int, int]] = {
    "EACCES": (10013, 13, 13),
    "EADDRINUSE": (10048, 48, 98),
    "EADDRNOTAVAIL": (10049, 49, 99),
    "EAGAIN": (10035, 35, 11),
    "EBADF": (10038, 9, 9),
    "ECONNABORTED": (10053, 53, 103),
    "ECONNREFUSED": (10061, 61, 111),
    "ECONNRESET": (10054, 54, 104),
    "EHOSTUNREACH": (10065, 65, 113),
    "EINVAL": (10022, 22, 22),
    "EISCONN": (10056, 56, 106),
    "EMFILE": (10024, 24, 24),
    "ENETUNREACH": (10051, 51, 101),
    "ENOTCONN": (10057, 57, 107),
    "EOPNOTSUPP": (10045, 102, 95),
    "EPIPE": (10058, 32, 32),
    "EPROTOTYPE": (10041, 41, 91),
    "ETIMEDOUT": (10060, 60, 110),
}
# Os erros do nome da máquina, que são de outra tabela: a de getaddrinfo.
_NAME_CODES = {"EAI_AGAIN": (11002, 2, -3), "EAI_NONAME": (11001, 8, -2)}
_WINDOWS_NAMES = {windows: name for name, (windows, _, _) in CODES.items()}
_SAME_MEANING = {
    "EPERM": "EACCES",
    "EWOULDBLOCK": "EAGAIN",
    "EHOSTDOWN": "EHOSTUNREACH",
    "ENETDOWN": "ENETUNREACH",
    "ENFILE": "EMFILE",
    "ENOTSOCK": "EBADF",
    "ENOTSUP": "EOPNOTSUPP",
    "ESHUTDOWN": "EPIPE",
    "EINPROGRESS": "EAGAIN",
}

# {onde} vira « (127.0.0.1:61840)», ou nada quando não se sabe o endereço.
_BY_NAME: dict[str, Texts] = {
    "ECONNREFUSED": (
        "conexão recusada{onde}: a máquina respondeu, mas nenhum programa escuta nesse endereço e "
        "porta.",
        "o servidor não foi iniciado, já terminou, ou usa outra porta ou outro endereço. "
        "E 127.0.0.1 é sempre a própria máquina de quem conecta, nunca a do colega.",
        "inicie o servidor e conecte de novo; confira host e porta dos dois lados, "
        "com netstat -an (ou ss -tan) na máquina do servidor.",
    ),
    "EADDRINUSE": (
        "o endereço{onde} já está em uso.",
        "outro programa escuta nessa porta, muitas vezes o seu próprio servidor, iniciado antes "
        "e ainda vivo; ou uma conexão recém-fechada ainda segura a porta (TIME_WAIT).",
        "pare o servidor antigo (stop() ou close()), espere alguns minutos, ou use outra "
        "porta: com a porta 0 o sistema escolhe uma livre.",
    ),
    "EADDRNOTAVAIL": (
        "o endereço{onde} não pode ser usado nesta máquina.",
        "o bind só aceita endereços desta máquina. O 192.168.0.12 do tutorial é o da máquina de "
        "quem o escreveu, e quase nunca é o seu. No connect, o endereço 0.0.0.0 e a porta 0 "
        "também não servem de destino.",
        "use 127.0.0.1 para testar sozinho, 0.0.0.0 no bind para escutar em todos os endereços, "
        "ou o seu IPv4, que ipconfig (Windows), ip addr (Linux) ou ifconfig (macOS) mostra.",
    ),
    "EACCES": (
        "o sistema não deu permissão para usar o endereço{onde}.",
        "portas abaixo de 1024 pedem privilégios de administrador em muitos sistemas; no Windows, "
        "a porta também pode estar reservada, ou tomada com exclusividade por outro programa. No "
        "connect, um firewall desta máquina impede a conexão, ou o endereço é o de broadcast.",
        "no bind, use outra porta acima de 1023, ou a porta 0: o sistema escolhe uma livre; no "
        "connect, confira o endereço e o firewall desta máquina.",
    ),
    "ETIMEDOUT": (
        "o tempo acabou sem resposta{onde}.",
        "no connect, um firewall descarta os pacotes, o endereço não é de nenhuma máquina ligada, "
        "ou o Wi-Fi isola os aparelhos uns dos outros. No recv ou no accept, nada chegou ainda. No "
        "sendall, o outro lado não lê. Numa conexão já aberta, com um código do sistema: o outro "
        "lado sumiu da rede, e nada do que se enviou foi confirmado.",
        "no connect, teste primeiro com 127.0.0.1, na mesma máquina; depois confira o endereço e o "
        "firewall da máquina do servidor. Numa conexão aberta, veja se o outro lado está de pé.",
    ),
    "ENETUNREACH": (
        "a rede{onde} é inalcançável.",
        "esta máquina não tem caminho (rota) até lá: está sem rede, ou em outra; ou o endereço, "
        "como 255.255.255.255, não é de uma máquina só.",
        "confira se o Wi-Fi ou o cabo está ligado e se as duas máquinas estão na mesma rede; "
        "para testar sem rede, use 127.0.0.1.",
    ),
    "EHOSTUNREACH": (
        "a máquina{onde} é inalcançável.",
        "ninguém nessa rede responde por esse endereço: a máquina está desligada, mudou de "
        "endereço, ou o Wi-Fi isola os aparelhos. Ou um firewall recusa a conexão; ou, no macOS, "
        "este programa não tem a permissão Rede Local.",
        "pergunte ao dono o IPv4 de agora (ipconfig, ip addr ou ifconfig) e tente de novo; no "
        "macOS, veja Ajustes do Sistema, Privacidade e Segurança, Rede Local.",
    ),
    "ECONNRESET": (
        "a conexão{onde} foi cortada pelo outro lado (RST).",
        "o programa de lá terminou de repente, ou fechou o socket sem ler tudo o que você enviou.",
        "esta conexão não volta. No cliente, veja se o servidor ainda está de pé e conecte de "
        "novo; no servidor, feche-a e atenda o próximo.",
    ),
    "ECONNABORTED": (
        "a conexão{onde} foi abortada por esta máquina.",
        "o outro lado já tinha fechado e você continuou a enviar, ou ele sumiu, ou um antivírus ou "
        "firewall interrompeu a conexão. No accept, o cliente desistiu antes de ser atendido.",
        "crie um socket novo e conecte de novo.",
    ),
    "EPIPE": (
        "não dá para enviar: este socket não tem conexão{onde} aberta para escrita.",
        "o outro lado já fechou a conexão, você mesmo chamou shutdown(), ou o connect nunca foi "
        "feito.",
        "no cliente, crie um socket novo, chame connect e só então envie; no servidor, feche esta "
        "conexão e atenda o próximo.",
    ),
    "EPROTOTYPE": (
        "o sistema diz que este protocolo não serve para este socket.",
        "no macOS, é o que às vezes se recebe ao enviar enquanto a conexão{onde} está acabando: o "
        "outro lado já a fechou ou a cortou. Fora disso, o tipo e o protocolo do socket não "
        "combinam.",
        "trate como uma conexão que acabou (except OSError: ele não é um ConnectionError) e "
        "conecte de novo.",
    ),
    "ENOTCONN": (
        "este socket não está conectado.",
        "faltou o connect, ou a conexão já acabou (também no fim de um with); no servidor, talvez "
        "você tenha usado o socket de escuta (s) no lugar da conexão (conn) que accept devolveu.",
        "no cliente, chame connect antes; no servidor, use conn, addr = s.accept() "
        "e fale com conn.",
    ),
    "EISCONN": (
        "este socket já está conectado.",
        "connect foi chamado duas vezes no mesmo socket; ou, no Linux, num que já escuta.",
        "use a conexão que já existe, ou feche-a e crie um socket novo.",
    ),
    "EINVAL": (
        "o sistema recusou a chamada: ela não vale no estado em que o socket está.",
        "accept antes de listen, bind depois de listen, ou bind duas vezes no mesmo socket; no "
        "macOS, também connect de novo num socket cujo connect falhou; no Windows, connect num que "
        "já escuta.",
        "crie um socket novo e siga a ordem: socket, bind, listen, accept.",
    ),
    "EBADF": (
        "este socket já foi fechado.",
        "close() foi chamado antes (também no fim de um bloco with), e um socket fechado não "
        "volta a abrir.",
        "use-o antes do close (num with, dentro do bloco), ou crie um socket novo.",
    ),
    "EAGAIN": (
        "a chamada teria de esperar, e este socket não espera (modo não bloqueante).",
        "ainda não há o que ler, o que aceitar ou espaço para enviar; um connect não bloqueante "
        "apenas começou.",
        "use settimeout(segundos) para esperar com limite, ou o módulo selectors "
        "para saber a hora.",
    ),
    "EOPNOTSUPP": (
        "esse tipo de socket não faz isso.",
        "listen e accept são do TCP (SOCK_STREAM); num socket UDP (SOCK_DGRAM) não há conexões. No "
        "macOS, também um connect num socket que já escuta.",
        "crie-o com socket.socket(socket.AF_INET, socket.SOCK_STREAM).",
    ),
    "EAI_NONAME": (
        "o nome da máquina{onde} não foi encontrado.",
        "erro de digitação, ou a rede não tem quem traduza esse nome em endereço (DNS).",
        "confira o nome, ou use o endereço em números, como 127.0.0.1: quatro números de 0 a 255.",
    ),
    "EAI_ADDRFAMILY": (
        "o endereço{onde} não é da família deste socket.",
        "a um socket IPv4 (AF_INET) servem endereços como 127.0.0.1; a um IPv6 (AF_INET6), como "
        "::1. Aqui os dois não combinam, ou o nome não tem endereço dessa família.",
        "use AF_INET e um endereço IPv4: quatro números de 0 a 255, como 127.0.0.1.",
    ),
    "EAI_AGAIN": (
        "o nome da máquina{onde} não foi traduzido em endereço: ninguém respondeu.",
        "quem faz essa tradução (DNS) está fora do ar ou bloqueado, ou esta máquina está sem rede; "
        "o nome pode até estar certo.",
        "confira se o Wi-Fi ou o cabo está ligado; sem DNS, use o endereço em números, como "
        "127.0.0.1.",
    ),
    "EMFILE": (
        "arquivos e sockets abertos demais neste programa.",
        "sockets criados e nunca fechados.",
        "feche cada socket com close() ou with; reiniciar o kernel fecha todos.",
    ),
}

_NOTHING_CAME = (
    "o tempo acabou, e o que se esperava não chegou{onde}.",
    "o outro lado ainda não enviou (recv), ou ninguém se conectou (accept).",
    "envie, ou conecte, do outro lado e execute de novo.",
)
_NOT_A_DEADLINE = (
    "o sistema recusou este recv.",
    "o segundo argumento do recv são opções (flags), e não um prazo.",
    "escreva só conn.recv(1024); o prazo vai antes, em conn.settimeout(1).",
)
_NO_ECHO = (
    "o tempo acabou, e o eco não chegou{onde}.",
    "o servidor está em pausa, preso a outro cliente, ou travado; ou a rede entre vocês caiu.",
    "veja se ele responde a mais alguém e conecte de novo: esta conversa foi encerrada.",
)
_NUMBERS = re.compile(r"[0-9.]+")
_BLANK = "\u034f\u115f\u1160\u17b4\u17b5\u2800\u3164\uffa0"  # letras que nada desenham
_JOINER = "\u200d"  # une emojis compostos; é invisível, mas inofensivo
_FLAGS = re.compile(r"\.recv\([^()]*,")
_WAITING = re.compile(r"\.(recv|accept)\(")
_ECHO_CLIENT = re.compile(r"recv\(self\.buffer_size\)|_left\(deadline\)")  # o de client.py


def explain(
    exc: BaseException, address: Address | None = None, line: str = ""
) -> Explanation | None:
    """Explica uma exceção, ou devolve None se ela não é do assunto.

    Argumentos:
        exc: a exceção: de socket, ou dos enganos de Python mais comuns nas lições.
        address: o par (host, porta) da chamada, se conhecido; aparece no texto.
        line: a linha de outro programa em que ela nasceu, se só se tem o traceback escrito.

    Retorna:
        Explanation ou None.

    Fonte: docs.python.org/3/library/exceptions.html#os-exceptions e /library/errno.html.
    """
    if isinstance(exc, EchoError):
        return exc.explanation
    name = _error_name(exc)
    texts = _texts(exc, name, line)
    if texts is None:
        return None
    where = f" ({address[0]}:{address[1]})" if address else ""
    happened, cause, remedy = (text.replace("{onde}", where) for text in texts)
    own = isinstance(exc, OSError) and exc.errno is None  # o prazo é do Python: sem código
    return Explanation(happened, cause, remedy, "" if own else _codes(name))


def annotate(exc: BaseException, address: Address | None = None, extra: str = "") -> None:
    """Acrescenta a explicação à exceção, como nota que aparece sob o traceback, uma só vez.

    Argumentos:
        exc: a exceção, que pode ter nascido de outra, ou ser um grupo; se nenhuma é do assunto,
            fica como está.
        address: o par (host, porta) da chamada, se conhecido.
        extra: uma segunda nota, com a saída para este caso.

    Fonte: docs.python.org/3/library/exceptions.html#BaseException.add_note.
    """
    inner = (explain(e, address) for e in behind(exc) if isinstance(e, OSError | UnicodeError))
    explanation = explain(exc, address) or next(filter(None, inner), None)
    notes = getattr(exc, "__notes__", [])
    if explanation and not any(note.startswith(_BEGINS) for note in notes):
        # O Python 3.12 põe ele mesmo uma nota nos erros de codificação, que nada acrescenta.
        others = [note for note in notes if not note.endswith("codec failed")]
        exc.__notes__ = [str(explanation), *filter(None, [extra]), *others]


def behind(exc: BaseException, *, context: bool = False) -> list[BaseException]:
    """As que estão dentro dela, se é um grupo, e as de que nasceu: por raise … from, ou de todo."""
    found = [exc]
    for one in found:
        inside = one.exceptions if isinstance(one, BaseExceptionGroup) else ()
        before = (one.__cause__, one.__context__ if context else None)
        found += [other for other in (*inside, *before) if other and other not in found]
    return found[1:]


def _valid_host(host: object) -> str:
    if not isinstance(host, str) or not host.strip():
        expected = "o nome ou o endereço de uma máquina, como '127.0.0.1'"
    elif _version(name := host.strip()) == 6:
        expected = "um endereço IPv4, como '127.0.0.1': o kit não usa IPv6"
    elif set(name) & set("/: \t") or not name.isprintable():
        expected = "só o endereço, sem http://, espaços nem a porta junto"
    elif name == "*":
        expected = "um nome, ou um endereço como '127.0.0.1'; '0.0.0.0' são todos os da máquina"
    elif _NUMBERS.fullmatch(name) and not _version(name):
        expected = "um nome, ou quatro números de 0 a 255 sem zeros à frente, como '127.0.0.1'"
    else:
        return name
    pair = " Host e porta são dois argumentos: * abre um par." if isinstance(host, tuple) else ""
    raise ValueError(f"esperava {expected}; recebi {host!r}.{pair}")


def _version(host: str) -> int | None:
    """4 ou 6, se é um endereço em números; 012 não serve, que o sistema leria em base 8.

    Fonte: docs.python.org/3/library/ipaddress.html (IPv4Address); RFC 6943, seção 3.1.1.
    """
    try:
        return ipaddress.ip_address(host).version
    except ValueError:
        return None


def valid_address(host: object, port: object, least: int = 0) -> Address:
    """Confere um par (host, porta) antes de qualquer chamada ao sistema.

    Argumentos:
        host: nome ou endereço, texto não vazio.
        port: inteiro de `least` a 65535; o texto "61840" também serve.
        least: a menor porta que serve: 0 só quem escuta pode pedir.

    Retorna:
        O par (host, porta), a porta como int.

    Erros:
        ValueError: com o que se esperava, o que veio e o que fazer.

    Fonte: RFC 9293, seção 3.1 (a porta ocupa 16 bits).
    """
    return _valid_host(host), valid_port(port, least)


def valid_port(port: object, least: int = 0) -> int:
    """A porta de `valid_address`, sozinha: como int, ou ValueError."""
    number = (
        int(port) if isinstance(port, str) and re.fullmatch(r"\s*[0-9]{1,9}\s*", port) else port
    )
    if not isinstance(number, int) or isinstance(number, bool) or not least <= number <= 65535:
        raise ValueError(
            f"esperava uma porta, número inteiro de {least} a 65535; recebi {port!r}. Tente 61840."
        )
    return number


def positive(name: str, value: Any, kind: type[int] | type[float] = int, most: int = MOST) -> Any:
    """Confere um limite inteiro ou, com kind=float, um prazo em segundos.

    Argumentos:
        name: o nome do parâmetro, para a mensagem.
        value: o que veio.
        kind: int ou float.
        most: o maior valor aceito.

    Retorna:
        O próprio valor.

    Erros:
        ValueError: não é um número desse tipo, maior que zero e até `most`.
    """
    if isinstance(value, bool) or not isinstance(value, (int, kind)) or not 0 < value <= most:
        unit = "inteiro" if kind is int else "em segundos"
        raise ValueError(
            f"esperava {name} {unit}, maior que zero; recebi {value!r}. O máximo é {most}."
        )
    return value


def valid_text(text: object) -> None:
    """Confere uma mensagem; TypeError, com o que fazer, se não é texto."""
    if not isinstance(text, str):
        raise TypeError(
            f"esperava um texto (str); recebi {text!r}. Converta antes: str(número), ou "
            "dados.decode() se são bytes."
        )


class Positive:
    """Um atributo com um limite: o valor que não serve é recusado por quem o põe, e não mais tarde.

    Argumentos: `kind` e `most`, os de `positive`.
        optional: None também serve.
    """

    def __init__(
        self, kind: type[int] | type[float] = int, most: int = MOST, *, optional: bool = False
    ) -> None:
        self._kind, self._most, self._optional = kind, most, optional

    def __set_name__(self, owner: type, name: str) -> None:
        self._name = name

    if TYPE_CHECKING:  # sem __get__ de verdade, ler o atributo não custa uma chamada

        def __get__(self, holder: object, owner: type | None = None) -> Any: ...

    def __set__(self, holder: object, value: Any) -> None:
        if not (self._optional and value is None):
            positive(self._name, value, self._kind, self._most)
        vars(holder)[self._name] = value


def printable(data: bytes | bytearray | str) -> str:
    """Texto que pode ir a um terminal ou a uma página: controles e marcas viram escapes.

    Bytes que não são UTF-8 aparecem como \\xNN; controles, inversores de direção e demais
    caracteres invisíveis, como \\x1b ou \\u202e. Fonte: docs.python.org/3/library/stdtypes.html
    (str.isprintable).
    """
    text = data if isinstance(data, str) else data.decode(errors="backslashreplace")
    return "".join(c if _is_seen(c) else ascii(c)[1:-1] for c in text)


def whole_letters(
    data: bytes, errors: str = "backslashreplace", *, before: bool = False, after: bool = False
) -> str:
    """O texto de um pedaço de bytes, sem as letras que o corte deixou pela metade.

    Argumentos:
        errors: o que fazer dos bytes que não são UTF-8, como em bytes.decode.
        before, after: se há outros bytes antes destes, e depois.

    Fonte: RFC 3629, seção 3 (os bytes que continuam uma letra).
    """
    if before:
        data = data[:3].lstrip(bytes(range(0x80, 0xC0))) + data[3:]
    return codecs.getincrementaldecoder("utf-8")(errors).decode(data, not after)


def _is_seen(char: str) -> bool:
    return char == _JOINER or (char.isprintable() and char not in _BLANK)


def counted(number: int, unit: str) -> str:
    """«1 byte», «2 bytes», «0 clientes»…"""
    return f"{number} {unit}{'s' * (number != 1)}"


def milliseconds(seconds: float, places: int = 1) -> str:
    """«1,5 ms», com tantas casas."""
    return f"{seconds * 1000:.{places}f} ms".replace(".", ",")


def _error_name(exc: BaseException) -> str:
    """O nome POSIX do erro ("ECONNREFUSED"), ou "" se não for um erro do sistema."""
    if isinstance(exc, socket.gaierror):
        known = {socket.EAI_SERVICE: "", socket.EAI_AGAIN: "EAI_AGAIN"}
        for name in ("EAI_FAMILY", "EAI_ADDRFAMILY", "EAI_NODATA"):  # nem todos, em todo sistema
            known.setdefault(getattr(socket, name, socket.EAI_NONAME), "EAI_ADDRFAMILY")
        known[socket.EAI_NONAME] = "EAI_NONAME"
        return known.get(exc.errno or 0, "EAI_NONAME")
    if not isinstance(exc, OSError) or isinstance(exc, socket.herror):  # que tem outros números
        return ""
    if _port_was_cut(exc) or exc.filename is not None:  # um arquivo, não um socket
        return ""
    if exc.errno is None:
        return "ETIMEDOUT" if isinstance(exc, TimeoutError) else ""
    name = _WINDOWS_NAMES.get(exc.errno) or errorcode.get(exc.errno, "").removeprefix("WSA")
    return _SAME_MEANING.get(name, name)


def _texts(exc: BaseException, name: str, line: str) -> Texts | None:
    """Escolhe os três textos: o que houve, a causa, o remédio."""
    if not name and (isinstance(exc, socket.gaierror) or _port_was_cut(exc)):
        return BAD_PORT
    if isinstance(exc, TimeoutError) and exc.errno is None:
        where = line or last_lines(exc)
        if "getaddrinfo" in where:  # o prazo que o kit dá à tradução de um nome
            return _BY_NAME["EAI_AGAIN"]
        if _ECHO_CLIENT.search(where):
            return _NO_ECHO
        if _WAITING.search(where):
            return _NOTHING_CAME
    if name == "EINVAL" and _FLAGS.search(line or last_lines(exc)):
        return _NOT_A_DEADLINE
    return explained(exc, line) or _BY_NAME.get(name)


def _port_was_cut(exc: BaseException) -> bool:
    """Se a porta pedida a create_connection não cabe em 16 bits: o Linux usaria só estes."""
    for frame, _ in traceback.walk_tb(exc.__traceback__):
        if frame.f_code is socket.create_connection.__code__:
            port = frame.f_locals.get("port")
            return isinstance(port, int) and not 0 <= port <= 65535
    return False


def _codes(name: str) -> str:
    """Os números do erro em cada sistema, para quem lê mensagens de outra máquina."""
    numbers = CODES.get(name) or _NAME_CODES.get(name)
    return "{} (Windows {}, macOS {}, Linux {})".format(name, *numbers) if numbers else ""
