"""Verificação: lines
Pista: Cada � é um caractere cortado
"""


def resposta(conn):
    texto = ""
    while pedaco := conn.recv(1024):
        texto += pedaco.decode(errors="replace")
    linhas = texto.split("\n")
    if linhas[-1] == "":
        linhas.pop()
    return linhas
