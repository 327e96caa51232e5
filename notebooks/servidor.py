"""Servidor de eco do tutorial: devolve a cada cliente os mesmos bytes que recebeu.

Uso: python servidor.py [host] [porta]      (Ctrl+C encerra)
"""

import os
import socket
import sys

HOST = sys.argv[1] if len(sys.argv) > 1 else "127.0.0.1"
PORTA = sys.argv[2] if len(sys.argv) > 2 else "61840"
ESPERA = 1.0  # segundos: no Windows, Ctrl+C só é notado entre uma espera e outra
PACIENCIA = 30.0  # segundos, no máximo, à espera de que um cliente leia o eco


def atender(conn, addr):
    """Ecoa tudo o que este cliente envia, até ele fechar a conexão."""
    while True:
        conn.settimeout(ESPERA)
        try:
            dados = conn.recv(1024)
        except TimeoutError:
            continue  # nada chegou ainda: volta a esperar
        if not dados:  # b"" é o fim: o cliente fechou o lado dele
            break
        print(f"{addr[0]}:{addr[1]} enviou {dados}")
        conn.settimeout(PACIENCIA)
        conn.sendall(dados)


def servir(s):
    """Aceita um cliente por vez; quando ele sai, espera o próximo."""
    s.settimeout(ESPERA)
    while True:
        try:
            conn, addr = s.accept()
        except (TimeoutError, ConnectionError):
            continue  # ninguém chegou ainda, ou quem chegou já desistiu
        print(f"{addr[0]}:{addr[1]} conectou.")
        with conn:
            try:
                atender(conn, addr)
            except OSError as erro:  # este cliente caiu; o servidor continua
                print(f"{addr[0]}:{addr[1]} caiu: {erro}")
        print(f"{addr[0]}:{addr[1]} saiu. Esperando o próximo cliente.")


def main():
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as s:
        if os.name != "nt":  # fora do Windows, permite reabrir a mesma porta logo em seguida
            s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        s.bind((HOST, int(PORTA)))
        s.listen()
        print(f"Servidor em {HOST}:{s.getsockname()[1]}. Ctrl+C encerra.")
        servir(s)


if __name__ == "__main__":  # quando este arquivo é o programa, e não num import
    try:
        main()
    except KeyboardInterrupt:
        print("\nServidor encerrado.")
    except (OSError, UnicodeError) as erro:
        causas = "A porta tem dono ou é reservada? O host é desta máquina, e veio antes da porta?"
        sys.exit(f"Não foi possível escutar em {HOST}:{PORTA}: {erro}.\n{causas}")
    except (ValueError, OverflowError):
        sys.exit(f"A porta deve ser um número de 0 a 65535; recebi {PORTA!r}.")
