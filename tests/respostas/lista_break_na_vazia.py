"""Verificação: sends_a_list
Pista: continue, e não break nem return
"""

import socket


def resposta(host, porta, mensagens):
    ecos = []
    with socket.create_connection((host, porta), timeout=1) as s:
        for mensagem in mensagens:
            if not mensagem:
                ecos.append("")
                break
            s.sendall(mensagem.encode())
            dados = b""
            while len(dados) < len(mensagem.encode()):
                if not (parte := s.recv(1024)):
                    raise ConnectionError("o servidor fechou antes de devolver tudo")
                dados += parte
            ecos.append(dados.decode())
    return ecos
