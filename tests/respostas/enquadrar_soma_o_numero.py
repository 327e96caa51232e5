"""Verificação: framing
Pista: struct.pack('!I', len(dados)) faz dele 4 bytes
"""


def resposta_enviar(conn, texto):
    dados = texto.encode()
    conn.sendall(len(dados) + dados)


def resposta_receber(conn):
    return conn.recv(1024).decode()
