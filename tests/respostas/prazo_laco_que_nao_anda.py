"""Verificação: gives_up
Pista: Um laço dá voltas sem nada esperar nem enviar
"""


def resposta(conn):
    conn.settimeout(1)
    dados = conn.recv(1024)
    enviados = 0
    while enviados < len(dados):
        pass


resposta_segundos = 0.5
