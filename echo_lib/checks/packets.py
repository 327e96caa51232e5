"""Lição 11: ler uma captura. As capturas são montadas aqui; o aluno não as viu."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any, NamedTuple

from echo_lib.capture import FLAGS, Capture, Segment
from echo_lib.checks.base import STUB, Check, brief, failed, not_expected, numbers_listed, passed
from echo_lib.isolated import Learner

_CLIENT, _SERVER = ("192.168.1.30", 50000), ("192.168.1.20", 61840)
_NAMES = (
    'As .flags são uma tupla de nomes, nesta ordem: ("SYN",), com a vírgula, ou ("SYN", "ACK"); e, '
    "de quem chegou, .lost é False."
)
_STEP = 0.01  # segundos entre um segmento e o seguinte


class _Case(NamedTuple):
    """Uma captura e a resposta que se espera."""

    segments: Capture
    expected: Any


def _case(expected: Any, *steps: str) -> _Case:
    """Um caso: o que se espera e, de cada segmento, quem, flags, seq, ack, dados e o que houve.

    O fim é “perdido” ou “estragado”; sem ele, o segmento chegou.
    """
    sent: set[tuple[str, int]] = set()
    made = []
    for number, step in enumerate(steps, 1):
        who, flags, seq, ack, *rest = step.split()
        fate = rest.pop() if rest and rest[-1] in ("perdido", "estragado") else ""
        client, data = who == "c", "".join(rest).encode()
        segment = Segment(
            number=number,
            time=(number - 1) * _STEP,
            arrival=None if fate == "perdido" else number * _STEP,
            connection=1,
            sender="cliente" if client else "servidor",
            source=_CLIENT if client else _SERVER,
            target=_SERVER if client else _CLIENT,
            flags=tuple(name for letter, name in FLAGS.items() if letter in flags),
            seq=int(seq),
            ack=int(ack),
            window=64240,
            data=data,
            lost=fate == "perdido",
            damaged=fate == "estragado",
        )
        bytes_ = {(who, n) for n in range(segment.seq, segment.end)}
        made.append(replace(segment, again=bool(bytes_ & sent)))
        sent |= bytes_
    return _Case(Capture(made), expected)


_OPEN = ("c S 0 0", "s SA 0 1", "c A 1 1")


def _closing(client: int, server: int) -> list[str]:
    """O fim que o cliente começa, depois do byte `client` de um lado e `server` do outro."""
    return [
        f"c FA {client} {server}",
        f"s A {server} {client + 1}",
        f"s FA {server} {client + 1}",
        f"c A {client + 1} {server + 1}",
    ]


# De cada captura, como se fala dela ao aluno; o que se espera, e os segmentos.
_HANDSHAKES = {
    "uma conversa sem perda": _case([0, 1, 2], *_OPEN, "c A 1 1 oi", "s A 1 3"),
    "uma captura em que dois SYN se perderam": _case(
        [2, 3, 4], "c S 0 0 perdido", "c S 0 0 perdido", *_OPEN, "c A 1 1 oi"
    ),
    "uma captura em que a resposta do servidor se perdeu": _case(
        [0, 2, 3], "c S 0 0", "s SA 0 1 perdido", "s SA 0 1", "c A 1 1", "s A 1 1 oi", "c A 1 3"
    ),
    "uma captura em que o servidor fala primeiro": _case(
        [1, 2, 3], "c S 0 0 perdido", *_OPEN, "s A 1 1 bemvindo", "c A 1 9"
    ),
    "uma captura em que a confirmação se perdeu": _case(
        [0, 1, 4], "c S 0 0", "s SA 0 1", "c A 1 1 perdido", "s SA 0 1", "c A 1 1", "c A 1 1 oi"
    ),
    "uma captura em que o cliente repetiu o SYN porque a resposta se perdeu": _case(
        [0, 3, 4], "c S 0 0", "s SA 0 1 perdido", "c S 0 0", "s SA 0 1", "c A 1 1", "c A 1 1 oi"
    ),
}
_STREAMS = {
    "uma conversa sem perda": _case(
        b"olatchau", *_OPEN, "c A 1 1 ola", "s A 1 4 OLA", "c A 4 4 tchau", *_closing(9, 4)
    ),
    "uma captura em que um ACK se perdeu": _case(
        b"oifim", *_OPEN, "c A 1 1 oi", "s A 1 3 perdido", "c A 1 1 oi", "s A 1 3", "c A 3 1 fim"
    ),
    "uma captura em que o segundo pedaço se perdeu e veio por último": _case(
        b"umdoistres", *_OPEN, "c A 1 1 um", "c A 3 1 dois perdido", "c A 7 1 tres", "c A 3 1 dois"
    ),
    "uma retransmissão que traz bytes repetidos e bytes novos": _case(
        b"abcdefghijk", *_OPEN, "c A 1 1 abcdef", "c A 4 1 defghi", "c A 10 1 jk"
    ),
    "uma retransmissão que traz só o começo do que já tinha chegado": _case(
        b"abcdefg\0i", *_OPEN, "c A 1 1 abcdef", "c A 1 1 abc", "c A 7 1 g\0i"
    ),
    "uma retransmissão que junta dois segmentos perdidos": _case(
        b"abcdefghi",
        *_OPEN,
        "c A 1 1 abc perdido",
        "c A 4 1 def perdido",
        "c A 7 1 ghi",
        "c A 1 1 abcdef",
    ),
    "uma captura em que um segmento chegou estragado": _case(
        b"umdois", *_OPEN, "c A 1 1 um", "c A 3 1 dois estragado", "c A 3 1 dois", "s A 1 7"
    ),
    "uma captura em que um segmento chegou estragado, e não voltou": _case(
        b"um", *_OPEN, "c A 1 1 um", "c A 3 1 dois estragado"
    ),
    "uma captura em que um pedaço nunca chegou": _case(
        b"abc", *_OPEN, "c A 1 1 abc", "c A 4 1 def perdido", "c A 7 1 ghi"
    ),
    "doze segmentos, o primeiro entregue por último": _case(
        b"abcdefghijkl",
        *_OPEN,
        "c A 1 1 a perdido",
        *(f"c A {n} 1 {letter}" for n, letter in enumerate("bcdefghijkl", 2)),
        "c A 1 1 a",
    ),
    "uma conversa sem dados": _case(b"", *_OPEN, *_closing(1, 1)),
}
_ENDS = {
    "uma conversa que o cliente fecha": _case("cliente", *_OPEN, *_closing(1, 1)),
    "uma conversa que o servidor fecha": _case(
        "servidor", *_OPEN, "s A 1 1 oi", "s FA 3 1", "c A 1 4", "c FA 1 4", "s A 4 2"
    ),
    "uma conversa que ainda não acabou": _case(None, *_OPEN, "c A 1 1 oi", "s A 1 3"),
    "uma conexão recusada": _case(None, "c S 0 0", "s RA 0 1"),
    "uma captura em que o FIN do servidor leva dados, se perde e volta": _case(
        "servidor", *_OPEN, "s FA 1 1 oi perdido", "s FA 1 1 oi", "c A 1 4", "c FA 1 4", "s A 4 2"
    ),
    "uma captura em que o FIN do cliente se perde, e o do servidor chega antes do outro": _case(
        "cliente", *_OPEN, "c FA 1 1 perdido", "s FA 1 1", "c A 2 2", "c FA 1 2", "s A 2 2"
    ),
}


def retransmission(found: Capture, answer: object) -> Check:
    """Verifica se `answer` é o índice, nesta captura, de uma retransmissão.

    Argumentos:
        found: a captura da lição.
        answer: o índice que o aluno achou.
    """
    if hint := _retransmission_hint(found, answer):
        return failed(hint)
    return passed("É esse: os mesmos bytes, com o mesmo seq, enviados de novo.")


def handshake(function: Callable[[Capture], Any]) -> Check:
    """Verifica se a função acha os três segmentos que abriram a conexão.

    Argumentos:
        function: recebe uma captura; devolve a lista dos três índices.
    """
    good = "Sua função acha o aperto de mão, mesmo quando um dos três se perde e volta."
    return _ask(function, _HANDSHAKES, _handshake_hint) or passed(good)


def reassembly(function: Callable[[Capture], Any]) -> Check:
    """Verifica se a função reconstrói os bytes que o servidor entregou ao programa.

    Argumentos:
        function: recebe uma captura; devolve bytes.
    """
    good = "Sua função entrega como o TCP: tudo o que chegou, em ordem, uma vez só."
    return _ask(function, _STREAMS, _stream_hint) or passed(good)


def first_to_close(function: Callable[[Capture], Any]) -> Check:
    """Verifica se a função diz quem enviou o primeiro FIN.

    Argumentos:
        function: recebe uma captura; devolve "cliente", "servidor" ou None.
    """
    good = "Sua função diz quem fechou primeiro, e sabe quando ninguém fechou."
    return _ask(function, _ENDS, _end_hint) or passed(good)


def _ask(
    function: Callable[[Capture], Any], cases: dict[str, _Case], hint: Callable[[_Case, Any], str]
) -> Check | None:
    """Pergunta à função sobre cada captura; o que há de errado na primeira, ou None."""
    with Learner(function) as learner:
        for name, case in cases.items():
            answer, error = learner.call(case.segments)
            if not error and _same(answer, case.expected):
                continue
            if answer is ...:
                return failed(STUB)
            what = "" if error else hint(case, answer)
            wrong = not_expected(learner, name, case.expected, answer, error, what)
            return replace(wrong, events=case.segments.segments)
    return None


def _same(answer: Any, expected: Any) -> bool:
    """Se a resposta é a esperada; uma tupla vale por uma lista, e um bytearray, por bytes."""
    if isinstance(expected, list):
        return isinstance(answer, list | tuple) and list(answer) == expected
    if isinstance(expected, bytes):
        return isinstance(answer, bytes | bytearray) and answer == expected
    return bool(answer == expected)


def _retransmission_hint(found: Capture, answer: Any) -> str:
    if not isinstance(found, Capture):
        return (
            f"Esperava a captura inteira, e recebi um {type(found).__name__}: execute de novo a "
            "célula que a lê, com capture.read, e mude só o índice."
        )
    if isinstance(answer, bool) or not isinstance(answer, int):
        return f"Esperava um índice, um número inteiro; recebi {brief(answer)}."
    if not 0 <= answer < len(found):
        return f"Esperava um índice de 0 a {len(found) - 1}; recebi {answer}."
    chosen = found[answer]
    if chosen.again:
        return ""
    where = f"O {answer} é “{chosen}”, do {chosen.sender}."
    if chosen.lost:
        return f"{where} É o original, que não chegou: quem o repete?"
    if answer and found[answer - 1].again:
        return f"{where} Os índices começam no 0: você contou a partir do 1?"
    return f"{where} Procure bytes que o mesmo lado já tinha enviado: o mesmo seq, outra vez."


def _handshake_hint(case: _Case, answer: Any) -> str:
    if not isinstance(answer, list | tuple):
        return "Faltou o return?" if answer is None else "Devolva uma lista de índices."
    found = list(answer)
    if any(isinstance(item, Segment) for item in found):
        return "São os índices, e não os segmentos: veja enumerate."
    if any(isinstance(item, list | tuple) for item in found):
        return (
            "Há listas dentro da lista: são três números, um de cada busca, o primeiro que serve."
        )
    if None in found:
        return f"Há um None no lugar de um índice. {_NAMES}"
    if not found:
        return f'{_NAMES} O .sender é "cliente" ou "servidor"; o .lost, True ou False, sem aspas.'
    if found == case.expected[:1]:
        return "Veio só o primeiro: você só o procurou? Ou o return está dentro do laço?"
    if len(found) < 3:
        return f"São três segmentos: o SYN, a resposta e o ACK. {_NAMES}"
    if found == [item + 1 for item in case.expected]:
        return "O índice do primeiro é o 0 (o .number, esse começa no 1)."
    inside = [i for i in found if type(i) is int and 0 <= i < len(case.segments)]
    if found == [case.segments[i].seq for i in case.expected]:
        return "Esses são os .seq; o índice é o i de enumerate."
    if any(case.segments[i].lost for i in inside):
        return (
            "Um desses segmentos não chegou (.lost): não abriu nada. Se já tirou os perdidos, "
            "numere antes (enumerate), com todos ali."
        )
    if sorted(map(str, found)) == sorted(map(str, case.expected)):
        return "Os índices são esses, em outra ordem."
    arrived = [(s.sender, s.flags) if not s.lost else None for s in case.segments]
    foreign = len(inside) == 3 and case.segments[inside[2]].sender != "cliente"
    for i in inside[: 2 if foreign else None]:
        if (first := arrived.index(arrived[i])) != i:
            same = "do mesmo lado e com as mesmas .flags"
            return f"O de índice {first} chegou antes do {i}, {same}: vale o primeiro."
    if len(found) > 3:
        return "São só três segmentos: o SYN, a resposta e o ACK."
    return "O primeiro tem só SYN; o segundo, SYN e ACK; o terceiro é do cliente, depois dele."


def _stream_hint(case: _Case, answer: Any) -> str:
    if isinstance(answer, str):
        return "Veio texto, e eram bytes: tire o decode."
    if not isinstance(answer, bytes | bytearray):
        hint = "Faltou o return?" if answer is None else "Devolva bytes: b''.join junta uma lista."
        return numbers_listed(answer, case.expected) or hint
    if not answer:
        return (
            'Nada foi entregue. O .sender é "cliente"; o .lost, True ou False, sem aspas; o byte '
            "inicial, o de .seq 1; e nem o SYN (.seq 0) nem um ACK vazio avançam a conta. O return "
            "está dentro do laço?"
        )
    answer = bytes(answer)
    client = [s for s in case.segments if s.sender == "cliente"]
    other = b"".join(s.data for s in case.segments if s.sender == "servidor")
    if other and other in answer:
        return "Entrou o que o servidor enviou: olhe o .sender."
    if len(answer) > len(case.expected):
        if any(s.damaged for s in client) and not any(s.again for s in client):
            return "Um segmento chegou estragado (.damaged): o TCP o joga fora."
        if any(s.lost and s.data and s.data in answer for s in client if not _repeated(s, client)):
            return "Entraram bytes de um segmento que não chegou: olhe o .lost."
        if any(s.lost for s in client) and not any(s.again for s in client):
            return "Falta um pedaço no meio: o TCP não entrega o que vem depois dele."
        if answer in (case.expected + b"\0", case.expected + b"\0\0"):
            return (
                "Sobra no fim um 0 que ninguém enviou: o SYN e o FIN também avançam o seq, mas não "
                "trazem byte nenhum."
            )
        if answer.count(0) > len(case.expected):
            return "bytes(número) faz tantos zeros; o byte de um número é bytes([número])."
        return "Há bytes repetidos: um byte retransmitido, no todo ou em parte, conta uma vez."
    if sorted(answer) == sorted(case.expected):
        return "Os bytes são esses, fora de ordem: quem diz o lugar é o .seq."
    zero = case.expected.find(b"\0")
    if zero >= 0 and answer in (case.expected[:zero], case.expected.replace(b"\0", b"")):
        return "O byte 0 também é um byte: pergunte se ele está ali (in), e não se é verdadeiro."
    if len(answer) < len(case.expected):
        return _missing_hint(client, answer)
    return "Confira o lugar de cada byte: o primeiro é o de .seq 1."


def _repeated(segment: Segment, client: list[Segment]) -> bool:
    """Se outro segmento, que chegou, trouxe o mesmo byte inicial."""
    return any(s.seq <= segment.seq < s.end and not s.lost for s in client)


def _missing_hint(client: list[Segment], answer: bytes) -> str:
    """Por que faltam bytes, pelo que há nesta captura."""
    came = [s for s in client if s.data and not (s.lost or s.damaged)]
    first = [s for s in came if s.again and not any(o.seq <= s.seq < o.end for o in came if o != s)]
    if any(s.data not in answer for s in first):  # a que trouxe o que nunca tinha chegado
        return "Faltam bytes de uma retransmissão: se o original não chegou bem, é ela que conta."
    places = [s.seq for s in client if s.data and not s.lost]
    if places != sorted(places):
        return "Faltam bytes: o que chegou cedo demais foi jogado fora? O TCP guarda."
    ends = [s.end for s in client if s.data and not s.lost]
    if ends != sorted(ends):
        return "Faltam bytes: uma retransmissão mais curta não desfaz o que já tinha chegado."
    if any(s.again for s in client):
        return "Faltam bytes: uma retransmissão pode trazer também bytes novos."
    return (
        "Faltam bytes: a conta do próximo avança com cada pedaço que você junta, e só com ele: um "
        "ACK vazio tem o seq do dado que vem depois."
    )


def _end_hint(case: _Case, answer: Any) -> str:
    if case.expected is None:
        quoted = "None vai sem aspas. " if answer == "None" else ""
        return f"{quoted}Nenhum segmento leva FIN: ninguém fechou."
    if isinstance(answer, Segment):
        return "Devolva quem o enviou (.sender), e não o segmento."
    if answer is None:
        where = "Faltou o return? Ou o return None vem dentro do laço?"
        return f'Há um FIN nesta captura: "FIN" in segmento.flags. {where}'
    if answer not in ("cliente", "servidor"):
        return 'Devolva "cliente" ou "servidor", o .sender de quem enviou o FIN.'
    if any(s.lost and s.sender == case.expected for s in case.segments):
        return "Quem envia um FIN fecha, mesmo que o FIN se perca: aqui o .lost não importa."
    return (
        "Vale o primeiro FIN da captura, de quem for, e quem fecha é quem o envia (.sender): olhe "
        "um a um, sem responder, até achá-lo. "
        "(Um texto solto, antes de and ou depois de or, vale sempre True.)"
    )
