"""Verificação: client
Pista: faltou conectar e enviar?
"""


def resposta(host, porta, mensagem):
    return mensagem
