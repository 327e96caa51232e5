"""As verificações da lição 11: cada engano tem a sua pista; o certo passa, como for."""

import sys
from itertools import chain

import cloudpickle
import pytest

from echo_lib import capture, checks
from echo_lib.checks import packets
from echo_lib.panels import still
from tests.common import ROOT

# As funções daqui vão inteiras ao outro processo, como as de um notebook.
cloudpickle.register_pickle_by_value(sys.modules[__name__])


@pytest.fixture(scope="module")
def lost():
    return capture.read(ROOT / "notebooks" / "capturas" / "perda")


@pytest.mark.parametrize("answer", [8])
def test_the_retransmission_is_found(lost, answer):
    assert checks.retransmission(lost, answer).ok


@pytest.mark.parametrize(
    ("answer", "hint"),
    [
        (0, "O 0 é “SYN seq=0”, do cliente. Procure bytes que o mesmo lado já tinha enviado"),
        (7, "É o original, que não chegou"),
        (9, "você contou a partir do 1?"),
        (10, "o mesmo seq, outra vez"),
        (20, "um índice de 0 a 19; recebi 20"),
        (-12, "um índice de 0 a 19"),
        ("8", "um número inteiro; recebi '8'"),
        (True, "um número inteiro"),
        (None, "um número inteiro"),
        ("o segmento", "um número inteiro"),
    ],
)
def test_a_wrong_index_gets_its_hint(lost, answer, hint):
    answer = lost[8] if answer == "o segmento" else answer
    check = checks.retransmission(lost, answer)
    assert not check.ok and hint in check.text


@pytest.mark.parametrize("kind", ["Segment", "int"])
def test_a_capture_that_is_no_longer_one_is_told(lost, kind):
    check = checks.retransmission(lost[8] if kind == "Segment" else 8, 8)
    assert not check.ok and f"a captura inteira, e recebi um {kind}" in check.text


# --- o aperto de mão ---


def by_flags(segments):
    came = [i for i, s in enumerate(segments) if not s.lost]
    syn, answer = (next(i for i in came if segments[i].flags == f) for f in (("SYN",), SYN_ACK))
    return [syn, answer, next(i for i in came if i > answer and segments[i].flags == ("ACK",))]


SYN_ACK = ("SYN", "ACK")


def the_three_that_follow(segments):
    came = [(i, s) for i, s in enumerate(segments) if not s.lost]
    return tuple(i for i, _ in came[:3])


def the_last_of_each(segments):
    first = second = third = None
    for i, s in enumerate(segments):
        if s.flags == ("SYN",) and not s.lost:
            first = i
        elif s.flags == ("SYN", "ACK") and not s.lost:
            second = i
        elif s.sender == "cliente" and not s.lost and third is None:
            third = i
    return [first, second, third]


def the_last_syn_that_arrived(segments):
    came = [i for i, s in enumerate(segments) if s.flags == ("SYN",) and not s.lost]
    return [came[-1], *by_flags(segments)[1:]]


def the_last_ack(segments):
    acks = [i for i, s in enumerate(segments) if s.flags == ("ACK",) and s.sender == "cliente"]
    return [*by_flags(segments)[:2], acks[-1]]


def the_answer_twice(segments):
    came = [(i, s) for i, s in enumerate(segments) if not s.lost]
    third = by_flags(segments)[2]
    return [*(i for i, s in came if "SYN" in s.flags), third]


def one_by_one(segments):
    found, wanted = [], [("cliente", True), ("servidor", True), ("cliente", False)]
    for place, segment in enumerate(segments):
        kind = (segment.sender, "SYN" in segment.flags)
        if wanted and kind == wanted[0] and not segment.lost:
            found.append(place)
            wanted.pop(0)
    return found


@pytest.mark.parametrize("function", [by_flags, one_by_one])
def test_right_handshakes_pass(function):
    check = checks.handshake(function)
    assert check.ok, check


@pytest.mark.parametrize(
    ("function", "hint"),
    [
        (lambda segments: [0, 1, 2], "não chegou (.lost)"),
        (lambda segments: [s.seq for s in segments if not s.lost][:3], "Esses são os .seq"),
        (the_three_that_follow, "o terceiro é do cliente, depois dele"),
        (the_last_of_each, "O de índice 1 chegou antes do 3"),
        (lambda segments: [i for i, s in enumerate(segments) if s.flags == "SYN"], "a vírgula"),
        (lambda segments: [by_flags(segments)[0], None, None], "um None no lugar de um índice"),
        (the_last_ack, "O de índice 2 chegou antes do 3, do mesmo lado"),
        (the_last_syn_that_arrived, "O de índice 0 chegou antes do 2, do mesmo lado"),
        (lambda segments: [[i] for i in by_flags(segments)], "Há listas dentro da lista"),
        (lambda segments: by_flags(conversa), "Sua função lê conversa, que é do"),  # noqa: F821
        (lambda segments: [*by_flags(segments), len(segments) - 1], "São só três"),
        (the_answer_twice, "O de índice 1 chegou antes do 3, do mesmo lado"),
        (lambda segments: [s.number for s in segments if not s.lost][:3], "o .number, esse"),
        (lambda segments: [s for s in segments if not s.lost][:3], "e não os segmentos"),
        (lambda segments: [i for i, s in enumerate(segments) if "SYN" in s.flags], "São três"),
        (lambda segments: by_flags(segments)[::-1], "em outra ordem"),
        (lambda segments: [*by_flags(segments)[:2], len(segments) - 1], "o terceiro é do cliente"),
        (lambda segments: ["SYN", "SYN ACK", "ACK"], "o terceiro é do cliente"),
        (lambda segments: None, "Faltou o return?"),
        (lambda segments: 3, "Devolva uma lista"),
        (lambda segments: ..., "reticências"),
        (lambda segments: segments[99], "IndexError"),
    ],
)
def test_a_wrong_handshake_gets_its_hint(lost, monkeypatch, function, hint):
    monkeypatch.setitem(globals(), "conversa", lost)  # a da lição
    check = checks.handshake(function)
    assert not check.ok and hint in check.text, check


def test_the_answer_shows_the_capture_it_is_about():
    check = checks.handshake(lambda segments: [0, 1, 2])
    assert "em que dois SYN se perderam, esperava [2, 3, 4]. Recebi [0, 1, 2]." in check.text
    drawing = still.svg(check.events)
    assert "SYN seq=0 ✗" in drawing and "[4] aos" in drawing


# --- os bytes entregues ---


def in_order(segments):
    sent = [s for s in segments if s.sender == "cliente" and s.data and not (s.lost or s.damaged)]
    data, following = b"", 1
    for s in sorted(sent, key=lambda s: s.seq):
        if s.seq <= following:
            data += s.data[following - s.seq :]
            following = max(following, s.end)
    return data


def by_place(segments):
    found = {}
    for s in segments:
        if s.sender == "cliente" and not s.lost and not s.damaged:
            found.update(enumerate(s.data, s.seq))
    place, data = 1, bytearray()
    while place in found:
        data.append(found[place])
        place += 1
    return data


def like_the_kernel(segments):
    waiting, ready = {}, b""
    for s in segments:
        if s.sender != "cliente" or s.lost or s.damaged:
            continue
        waiting[s.seq] = max(waiting.get(s.seq, b""), s.data, key=len)
        for seq in sorted(waiting):
            if seq <= len(ready) + 1:
                ready += waiting.pop(seq)[len(ready) + 1 - seq :]
    return ready


@pytest.mark.parametrize("function", [in_order, by_place, like_the_kernel])
def test_right_reassemblies_pass(function):
    check = checks.reassembly(function)
    assert check.ok, check


def client_data(segments):
    return [s for s in segments if s.sender == "cliente" and s.data and not (s.lost or s.damaged)]


def damaged_too(segments):
    ready = b""
    for s in sorted((s for s in segments if s.sender == "cliente" and not s.lost), key=key):
        if s.seq > len(ready) + 1:
            break
        ready += s.data[len(ready) + 1 - s.seq :]
    return ready


def by_the_first_seq(segments):
    """O ACK do aperto de mão ocupa o lugar do primeiro dado."""
    seen = {}
    for s in segments:
        if s.sender == "cliente" and not (s.lost or s.damaged):
            seen.setdefault(s.seq, s.data)
    return b"".join(data for _, data in sorted(seen.items()))


def throws_away_the_early(segments):
    ready = b""
    for s in client_data(segments):
        if s.seq <= len(ready) + 1:
            ready += s.data[len(ready) + 1 - s.seq :]
    return ready


def without_the_same_seq(segments):
    return b"".join({s.seq: s.data for s in sorted(client_data(segments), key=key)}.values())


def key(segment):
    return segment.seq


def never_again(segments):
    return b"".join(s.data for s in sorted(client_data(segments), key=key) if not s.again)


def only_what_was_not_again(segments):
    fresh = [s for s in segments if s.sender == "cliente" and not s.again]
    return b"".join(s.data for s in sorted(fresh, key=key))


def unique_in_the_order_sent(segments):
    return b"".join({s.seq: s.data for s in client_data(segments)}.values())


def over_the_hole(segments):
    data = b""
    for s in sorted(client_data(segments), key=key):
        data += s.data[max(0, len(data) + 1 - s.seq) :]
    return data


def with_a_byte_for_each_number(segments):
    came = [s for s in segments if s.sender == "cliente" and not (s.lost or s.damaged)]
    data = bytearray(max((s.seq + len(s.data) - 1 for s in came), default=0))
    for s in came:
        data[s.seq - 1 : s.seq - 1 + len(s.data)] = s.data
    return bytes(data)


def from_the_byte_zero(segments):
    data = b""
    for segment in sorted(client_data(segments), key=lambda s: s.seq):
        if segment.seq == len(data):
            data += segment.data
    return data


@pytest.mark.parametrize(
    ("function", "hint"),
    [
        (lambda segments: b"".join(s.data for s in segments), "olhe o .sender"),
        (lambda segments: b"".join(s.data for s in client_data(segments)), "conta uma vez"),
        (without_the_same_seq, "no todo ou em parte"),
        (unique_in_the_order_sent, "quem diz o lugar é o .seq"),
        (never_again, "Faltam bytes de uma retransmissão"),
        (only_what_was_not_again, "Faltam bytes: uma retransmissão pode trazer também bytes novos"),
        (with_a_byte_for_each_number, "Sobra no fim um 0 que ninguém enviou"),
        (over_the_hole, "o TCP não entrega o que vem depois"),
        (damaged_too, "chegou estragado (.damaged): o TCP o joga fora"),
        (by_the_first_seq, "um ACK vazio tem o seq do dado"),
        (throws_away_the_early, "o que chegou cedo demais foi jogado fora"),
        (lambda segments: in_order(segments).decode(), "eram bytes: tire o decode"),
        (lambda segments: [s.data for s in client_data(segments)], "b''.join junta uma lista"),
        (lambda segments: None, "Faltou o return?"),
        (lambda segments: ..., "reticências"),
        (lambda segments: segments.data, "AttributeError"),
        (from_the_byte_zero, "o byte inicial, o de .seq 1"),
    ],
)
def test_a_wrong_reassembly_gets_its_hint(function, hint):
    check = checks.reassembly(function)
    assert not check.ok and hint in check.text, check


def test_a_loop_without_end_is_told(monkeypatch):
    monkeypatch.setattr("echo_lib.isolated.TIMEOUT", 1.0)

    def forever(segments):
        while True:
            pass

    assert "não terminou" in checks.reassembly(forever).text


# --- quem fechou ---


def first_fin(segments):
    return next((s.sender for s in segments if "FIN" in s.flags), None)


def all_the_fins(segments):
    fins = [s for s in segments if "FIN" in s.flags]
    return fins[0].sender if fins else None


@pytest.mark.parametrize("function", [first_fin, all_the_fins])
def test_right_answers_about_the_end_pass(function):
    assert checks.first_to_close(function).ok


@pytest.mark.parametrize(
    ("function", "hint"),
    [
        (lambda segments: "cliente", "Vale o primeiro FIN"),
        (lambda segments: [s.sender for s in segments if "FIN" in s.flags][-1], "primeiro FIN"),
        (lambda segments: next(s.sender for s in segments if "FIN" in s.flags), "StopIteration"),
        (lambda segments: next(s for s in segments if "FIN" in s.flags), "e não o segmento"),
        (lambda segments: first_fin([s for s in segments if not s.lost]), "o .lost não importa"),
        (
            lambda segments: next("servidor" for s in segments if "FIN" not in s.flags),
            "até achá-lo. (Um texto solto, antes de and ou depois de or, vale sempre True.)",
        ),
        (lambda segments: segments[-1].sender, "Nenhum segmento leva FIN"),
        (lambda segments: None, "Há um FIN nesta captura"),
        (lambda segments: str(first_fin(segments)), "None vai sem aspas"),
        (lambda segments: "client", 'Devolva "cliente" ou "servidor"'),
        (lambda segments: ..., "reticências"),
    ],
)
def test_a_wrong_answer_about_the_end_gets_its_hint(function, hint):
    check = checks.first_to_close(function)
    assert not check.ok and hint in check.text, check


def test_the_cases_are_captures_that_tcp_could_make():
    tables = (packets._HANDSHAKES, packets._STREAMS, packets._ENDS)
    for name, case in chain.from_iterable(table.items() for table in tables):
        for segment in case.segments:
            numbers = [s.end for s in case.segments if s.sender != segment.sender]
            assert segment.ack <= max([0, *numbers]), (name, segment)
        assert any(s.again for s in case.segments) == ("retransmissão" in str(case.segments))
