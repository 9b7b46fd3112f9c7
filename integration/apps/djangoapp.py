"""A Django site in one file."""
import os
import socket

from django.conf import settings
from django.core.wsgi import get_wsgi_application
from django.http import HttpResponse, JsonResponse
from django.urls import path

settings.configure(SECRET_KEY='test', ROOT_URLCONF=__name__, ALLOWED_HOSTS=['*'], DEBUG=False)


def index(request):
    return JsonResponse({'hostname': socket.gethostname(), 'uid': os.getuid(),
                         'secure': request.is_secure(), 'path': request.get_full_path()})


def echo(request):
    return HttpResponse(request.body, content_type='application/octet-stream')


urlpatterns = [path('', index), path('echo', echo)]
application = get_wsgi_application()
