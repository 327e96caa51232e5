"""Verificação: lines
Pista: Sumiram letras
"""


def resposta(conn):
    texto = ""
    while parte := conn.recv(1):
        texto += parte.decode(errors="ignore")
    return texto.split("\n")[:-1]
