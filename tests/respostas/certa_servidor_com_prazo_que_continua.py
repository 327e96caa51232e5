"""Verificação: server
Certa.
"""


def resposta(conn):
    conn.settimeout(0.2)
    while True:
        try:
            dados = conn.recv(1024)
        except TimeoutError:
            continue
        if not dados:
            break
        conn.sendall(dados)
