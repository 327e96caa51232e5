"""Verificação: framing
Pista: Os 4 primeiros bytes são o tamanho
"""

resposta_envia = enviar_mensagem


def resposta_recebe(conn):
    return conn.recv(1024).decode()
