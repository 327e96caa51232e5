import time


def conectar_com_paciencia(host, porta, tentativas, prazo):
    for tentativa in range(1, tentativas + 1):
        try:
            return socket.create_connection((host, porta), timeout=prazo)
        except ConnectionRefusedError:  # só este erro passa com o tempo
            if tentativa == tentativas:
                raise
            time.sleep(0.2)
