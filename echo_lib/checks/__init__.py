"""Respostas automáticas: o ambiente está pronto? O código do aluno faz o que devia?

Cada verificação roda o código do aluno com sockets de verdade, num processo à parte e com prazo:
nem um laço sem fim, nem uma queda alcançam o notebook. A resposta, um Check, diz o que se tentou,
o que se esperava, o que veio e uma pista; nenhuma verificação lança exceção por causa do aluno.
"""

from echo_lib.checks.base import Check
from echo_lib.checks.environment import environment
from echo_lib.checks.failures import cause, has_deadline, patient_connect, survives
from echo_lib.checks.many import chat_room, counter, many_clients, two_clients
from echo_lib.checks.packets import first_to_close, handshake, reassembly, retransmission
from echo_lib.checks.programs import (
    client_program,
    reach,
    same_network,
    server_program,
    states,
    which_address,
)
from echo_lib.checks.services import (
    one_after_another,
    one_conversation,
    one_visit,
    port_is_free,
    sends_a_list,
    whole_server,
)
from echo_lib.checks.stream import framing, lines, receives_exactly
from echo_lib.checks.tutorial import address, client, counts_bytes, gives_up, listening, server
